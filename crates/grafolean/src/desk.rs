//! Orders to a hub that runs: a socket in its data directory, which only its owner can reach.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grafolean_hub::{Hub, HubOptions};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::data_dir::{DataDir, make_private};
use crate::failure::Failure;
use crate::orders::{Order, Outcome};

/// The longest order, in bytes, and the longest outcome.
const LONGEST_ORDER: u64 = 64 << 10;
const LONGEST_OUTCOME: u64 = 16 << 20;
/// How long an order may take: a password takes a moment.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long somebody may take to say an order: whoever is silent does not keep the others waiting.
const SAID_WITHIN: Duration = Duration::from_secs(2);

/// Takes orders until it is dropped.
pub(crate) struct Desk {
    task: JoinHandle<()>,
    socket: std::path::PathBuf,
}

impl Desk {
    /// Opens the desk of a hub whose data directory is held.
    pub(crate) fn open(dir: &DataDir, hub: Arc<Hub>) -> io::Result<Self> {
        let socket = dir.socket();
        // Left by a process that was killed: the directory is ours now.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&dir.way_to_socket()?.path)?;
        make_private(&socket)?;
        let task = tokio::spawn(async move {
            // One order at a time: nobody is in a hurry, and a stranger's connection cannot be many.
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(timeout(PATIENCE, take(stream, &hub)).await),
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        Ok(Self { task, socket })
    }

    /// Closes it, and gives back its hold on the hub.
    pub(crate) async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn take(mut stream: UnixStream, hub: &Hub) -> io::Result<()> {
    let mut line = String::new();
    let mut said = BufReader::new((&mut stream).take(LONGEST_ORDER));
    timeout(SAID_WITHIN, said.read_line(&mut line)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let outcome = match serde_json::from_str::<Order>(&line) {
        Ok(order) => order.carry_out(hub).await,
        Err(_) => Outcome::Refused("this is not an order that the running version understands".to_owned()),
    };
    stream.write_all(&serde_json::to_vec(&outcome)?).await?;
    stream.shutdown().await
}

/// Has an order carried out by the hub that runs, or by the data itself where none does; shows what came of it.
pub(crate) async fn carry_out(data_dir: &Path, order: Order) -> Result<(), Failure> {
    let dir = DataDir::at(data_dir);
    if !dir.is_used() {
        return Err(Failure::config(format_args!(
            "there is no hub in {}: start `grafolean` there once, or say where it is (--data-dir)",
            data_dir.display()
        )));
    }
    let connected = async { UnixStream::connect(&dir.way_to_socket()?.path).await };
    let outcome = match connected.await {
        Ok(stream) => {
            let failed = |error| Failure::failed(format_args!("the hub that runs did not answer: {error}"));
            ask(stream, &order).await.map_err(failed)?
        }
        Err(_) => {
            let hub = Hub::open(HubOptions::new(data_dir)).await?;
            let outcome = order.carry_out(&hub).await;
            hub.close().await;
            outcome
        }
    };
    match outcome {
        Outcome::Done(text) => crate::say(&text),
        Outcome::Refused(why) => return Err(Failure::failed(why)),
    }
    Ok(())
}

async fn ask(mut stream: UnixStream, order: &Order) -> io::Result<Outcome> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    let asked = async {
        stream.write_all(&line).await?;
        let mut outcome = Vec::new();
        stream.take(LONGEST_OUTCOME).read_to_end(&mut outcome).await?;
        Ok(serde_json::from_slice(&outcome)?)
    };
    timeout(PATIENCE, asked).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
