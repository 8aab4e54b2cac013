//! What a fake backend tells of changes to those who listen.

use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// A listener that is further behind than this is told that it lost something.
const MOST_UNTOLD: usize = 1_024;

/// Whom the backend tells.
#[derive(Debug)]
pub(crate) struct Announcer(broadcast::Sender<Told>);

#[derive(Clone, Debug)]
enum Told {
    Changed {
        /// Whose it is; everybody's when `None`.
        account: Option<u64>,
        data: String,
    },
    /// The connection ends.
    End,
}

impl Default for Announcer {
    fn default() -> Self {
        Self(broadcast::channel(MOST_UNTOLD).0)
    }
}

impl Announcer {
    /// Something of an account changed: `of` is `entities`, `credentials`, …
    pub(crate) fn in_account(&self, account: u64, of: &str, id: u64) {
        let data = json!({"topic": format!("accounts/{account}/{of}"), "id": id}).to_string();
        self.tell(Told::Changed { account: Some(account), data });
    }

    /// Something else changed.
    pub(crate) fn changed(&self, topic: &str, id: u64) {
        self.tell(Told::Changed { account: None, data: json!({"topic": topic, "id": id}).to_string() });
    }

    /// All connections end.
    pub(crate) fn end(&self) {
        self.tell(Told::End);
    }

    fn tell(&self, told: Told) {
        // Nobody has to listen.
        let _ = self.0.send(told);
    }

    /// What is told from now on to a bot that sees these accounts.
    pub(crate) fn listen(&self, accounts: Option<Vec<u64>>) -> Listening {
        Listening { told: self.0.subscribe(), accounts, begun: false }
    }
}

/// A connection on which changes are told.
#[derive(Debug)]
pub(crate) struct Listening {
    told: broadcast::Receiver<Told>,
    accounts: Option<Vec<u64>>,
    begun: bool,
}

impl Listening {
    /// The next event's name and data; none at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<(&'static str, String)> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(("hello", "{}".to_owned()));
        }
        loop {
            match self.told.recv().await {
                Ok(Told::Changed { account, data }) => {
                    let seen =
                        |account| self.accounts.as_ref().is_none_or(|accounts| accounts.contains(&account));
                    if account.is_none_or(seen) {
                        return Some(("changed", data));
                    }
                }
                Ok(Told::End) | Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => return Some(("lost", "{}".to_owned())),
            }
        }
    }
}
