//! Users, bots and their tokens: what is done, in the process that has the data.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use grafolean_hub::{Hub, NewUser};
use serde::{Deserialize, Serialize};

use crate::data_dir::DataDir;
use crate::failure::{Failure, chain};

/// Something that somebody on this machine wants done.
#[derive(Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    ListUsers,
    AddUser { username: String, name: Option<String>, email: Option<String>, admin: bool, password: String },
    SetPassword { username: String, password: String },
    RemoveUser { username: String },
    ListBots,
    AddBot { name: String, protocol: String, account: Option<i64> },
    NewToken { bot: i64 },
}

/// What came of an order: text to show, or why not.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Done(String),
    Refused(String),
}

impl Order {
    /// Does it.
    pub(crate) async fn carry_out(self, hub: &Hub) -> Outcome {
        match self.done(hub).await {
            Ok(text) => Outcome::Done(text),
            Err(error) => Outcome::Refused(chain(&error)),
        }
    }

    async fn done(self, hub: &Hub) -> Result<String, grafolean_hub::HubError> {
        Ok(match self {
            Self::ListUsers => {
                let mut rows = vec![["ID", "USERNAME", "NAME", "E-MAIL", ""].map(str::to_owned)];
                for user in hub.users().await? {
                    let admin = if user.admin { "may do everything" } else { "" };
                    rows.push([user.id.to_string(), user.username, user.name, user.email, admin.to_owned()]);
                }
                table(&rows, "there are no users yet: `grafolean user add NAME --admin`")
            }
            Self::AddUser { username, name, email, admin, password } => {
                let mut new = NewUser::new(username.clone(), password);
                new.name = name.unwrap_or(new.name);
                new.email = email.unwrap_or(new.email);
                new.admin = admin;
                let id = hub.add_user(new).await?;
                format!("user {username} was added (id {id})\n")
            }
            Self::SetPassword { username, password } => {
                hub.set_password(&username, &password).await?;
                format!("{username} has another password, and has to log in again\n")
            }
            Self::RemoveUser { username } => {
                hub.remove_user(&username).await?;
                format!("user {username} was removed\n")
            }
            Self::ListBots => {
                let mut rows = vec![["ID", "NAME", "PROTOCOL", "ACCOUNT", ""].map(str::to_owned)];
                for bot in hub.bots().await? {
                    let account = bot.account.map_or_else(|| "all".to_owned(), |id| id.to_string());
                    let never = if bot.last_login.is_none() { "was never here" } else { "" };
                    let protocol = bot.protocol.unwrap_or_default();
                    rows.push([bot.id.to_string(), bot.name, protocol, account, never.to_owned()]);
                }
                table(&rows, "there are no bots")
            }
            Self::AddBot { name, protocol, account } => {
                let account = match account {
                    Some(account) => account,
                    None => only_account(hub).await?,
                };
                let (_, token) = hub.add_bot(account, &name, &protocol).await?;
                format!("{token}\n")
            }
            Self::NewToken { bot } => format!("{}\n", hub.new_bot_token(bot).await?),
        })
    }
}

/// The account of the bots that are there, if they have one in common.
async fn only_account(hub: &Hub) -> Result<i64, grafolean_hub::HubError> {
    let mut accounts: Vec<i64> = hub.bots().await?.into_iter().filter_map(|bot| bot.account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    match *accounts {
        [account] => Ok(account),
        _ => Err(grafolean_hub::HubError::Refused("--account: say for which account the bot is".to_owned())),
    }
}

/// Rows in columns; `nothing` where there is only a head.
fn table<const N: usize>(rows: &[[String; N]], nothing: &str) -> String {
    if rows.len() < 2 {
        return format!("{nothing}\n");
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line = cells.fold(String::new(), |mut line, (cell, width)| {
            let _ = write!(line, "{cell:<width$}  ");
            line
        });
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Copies all that is stored, whether a hub has it open or not.
pub(crate) async fn backup(data_dir: &Path, file: PathBuf) -> Result<(), Failure> {
    if !DataDir::at(data_dir).is_used() {
        return Err(Failure::config(format_args!("there is no hub in {}", data_dir.display())));
    }
    let shown = file.display().to_string();
    Hub::backup_of(data_dir, file).await?;
    crate::say(&format!("{shown} is a copy of all that is stored\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["ID", "NAME"], ["1", "Zoë"], ["22", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows, "nobody"), "ID  NAME\n1   Zoë\n22  x\n");
        assert_eq!(table(&rows[..1], "nobody"), "nobody\n");
    }

    #[test]
    fn a_password_is_not_in_the_form_in_which_an_order_is_shown() {
        // There is no such form: an order can only be sent.
        let order = Order::SetPassword { username: "a".to_owned(), password: "s3cret".to_owned() };
        let sent = serde_json::to_string(&order).unwrap();
        assert!(matches!(serde_json::from_str(&sent).unwrap(), Order::SetPassword { .. }));
    }
}
