//! From sockets to closed windows: a thread for each socket, one that keeps the windows.
//!
//! ```text
//! socket ─▶ shard: Decoder, Slice ─┐ each 5 s
//! socket ─▶ shard: Decoder, Slice ─┴▶ keeper: Windows ─▶ Reports ─▶ the runs of the accounts
//! ```
//!
//! A shard shares nothing with anybody while it receives. Its slices never straddle a minute, so that the keeper can
//! close a window as soon as every shard is past its end.

mod control;
mod directives;
mod door;
mod keeper;
mod reports;
mod shard;
mod sightings;
mod spare;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use grafoleancollector::{Context, StartError, Table, Verdict};

pub(crate) use directives::Directives;
pub(crate) use keeper::LossCounts;
pub(crate) use reports::{Reader, Reports};
pub(crate) use shard::ShardCounts;
pub(crate) use sightings::Sightings;

use crate::aggregate::{Windows, WindowsOptions};
use crate::archive::{self, Archive, ArchiveOptions};
use crate::books::Books;
use crate::decode::{Decoder, Kept};
use crate::receive::{ListenOptions, Listener};
use crate::settings::Options;
use control::Control;
use keeper::Keeper;
use shard::Shard;
use spare::SpareSlices;

/// Where the streams are kept: templates, sampling, sequences.
const STREAMS: &str = "netflow-streams";
/// Where the windows are kept.
const WINDOWS: &str = "netflow-windows";
/// Where it is kept what the configuration said last.
const DIRECTIVES: &str = "netflow-directives";
/// Below DATA_DIR: raw flows.
const FLOWS: &str = "flows";
/// Slices that may wait for the keeper.
const SLICES_WAITING: usize = 1;

/// What receives, decodes and adds up.
pub(crate) struct Engine {
    pub(crate) books: Arc<Books>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) sightings: Arc<Sightings>,
    pub(crate) losses: Arc<LossCounts>,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) archived: Option<Arc<archive::Counts>>,
    archive: Mutex<Option<Archive>>,
    control: Arc<Control>,
    directives: Table,
    kept_directives: Mutex<Vec<u8>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A socket, for people.
pub(crate) struct Socket {
    pub(crate) address: SocketAddr,
    pub(crate) buffer_bytes: usize,
    pub(crate) counts: Arc<ShardCounts>,
}

impl Engine {
    /// Opens the sockets, takes up what was remembered, and begins to receive.
    pub(crate) async fn start(options: &Options, cx: &Context) -> Result<Self, StartError> {
        let listeners = listen(options)?;
        let archive = open_archive(options, cx)?;
        let state = cx.state();
        let (streams, kept) = (state.table(STREAMS), state.table(WINDOWS));
        let reports = Arc::new(Reports::default());
        reports.restore(state).await;
        let mut windows = Windows::new(WindowsOptions::default().with_top_n(options.top_n));
        let remembered = kept.load().await;
        let unreadable = windows.restore(remembered.iter().map(|(key, value)| (&**key, &**value)));
        if !unreadable.is_empty() {
            let count = unreadable.len();
            tracing::warn!(
                "{count} parts of open windows could not be read from the state: they are left out"
            );
            unreadable.iter().for_each(|key| kept.remove(key));
        }
        let remembered = streams.load().await;
        let remembered = remembered.iter().map(|(key, value)| (&**key, &**value));
        let (remembered, unusable) = Kept::read(remembered, cx.clock().now());
        unusable.unreadable.iter().chain(&unusable.too_old).for_each(|key| streams.remove(key));
        if !unusable.unreadable.is_empty() {
            let count = unusable.unreadable.len();
            tracing::warn!(
                "{count} parts of what was known of exporters could not be read from the state: exporters will send them \
                 again"
            );
        }
        let remembered = Arc::new(remembered);
        let (books, control) = (Arc::new(Books::default()), Arc::<Control>::default());
        let (sightings, losses) = (Arc::<Sightings>::default(), Arc::<LossCounts>::default());
        let directives = state.table(DIRECTIVES);
        if let Some((_, bytes)) = directives.load().await.first() {
            // What cannot be read the backend will say again.
            Directives::decode(bytes).into_iter().for_each(|last| control.direct(last));
        }
        let (to_keeper, messages) = sync_channel(SLICES_WAITING * listeners.len());
        let spare = Arc::new(SpareSlices::new(listeners.len()));
        let (mut sockets, mut shards, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        for (number, listener) in listeners.into_iter().enumerate() {
            let counts = Arc::<ShardCounts>::default();
            let (address, buffer_bytes) = (listener.local_addr(), listener.buffer_bytes());
            sockets.push(Socket { address, buffer_bytes, counts: Arc::clone(&counts) });
            let decoder = Decoder::new(Arc::clone(&books)).with_kept(Arc::clone(&remembered));
            shards.push(Shard {
                number,
                listener,
                decoder,
                books: Arc::clone(&books),
                control: Arc::clone(&control),
                counts,
                clock: Arc::clone(cx.clock()),
                keeper: to_keeper.clone(),
                spare: Arc::clone(&spare),
                allow: options.allow.clone(),
                most_per_second: options.exporter_rate,
                archive: archive.as_ref().map(Archive::feed),
            });
        }
        drop(to_keeper);
        let begin = cx.clock().now();
        let keeper = Keeper {
            windows,
            reports: Arc::clone(&reports),
            sightings: Arc::clone(&sightings),
            losses: Arc::clone(&losses),
            shards: shards.iter().map(|shard| (shard.number, begin)).collect::<HashMap<_, _>>(),
            closed: begin,
            held: Vec::new(),
            spare,
            streams,
            kept,
        };
        threads.push(spawn("keeper".to_owned(), move || keeper.run(&messages))?);
        for shard in shards {
            threads.push(spawn(format!("receive-{}", shard.number), move || shard.run())?);
        }
        let mut addresses: Vec<_> = sockets.iter().map(|socket| socket.address.to_string()).collect();
        addresses.dedup();
        tracing::info!("flows are received at {}", addresses.join(", "));
        let archived = archive.as_ref().map(|archive| Arc::clone(archive.counts()));
        let (archive, threads) = (Mutex::new(archive), Mutex::new(threads));
        Ok(Self {
            books,
            reports,
            sightings,
            losses,
            sockets,
            archived,
            archive,
            control,
            directives,
            kept_directives: Mutex::default(),
            threads,
        })
    }

    /// Tells the shards what the configuration says now.
    pub(crate) fn direct(&self, directives: Directives) {
        let bytes = directives.encode();
        let mut kept = self.kept_directives.lock().unwrap_or_else(PoisonError::into_inner);
        if *kept != bytes {
            self.directives.put(DIRECTIVES.as_bytes(), bytes.clone());
            *kept = bytes;
        }
        drop(kept);
        self.control.direct(directives);
    }

    /// Stops receiving, and has remembered what was received. It blocks for a moment.
    pub(crate) fn stop(&self) {
        self.control.stopping.store(true, Relaxed);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread that received flows had died, which is a bug");
            }
        }
        let archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(archive) = archive {
            archive.close();
        }
    }
}

/// Opens all sockets, or says why one cannot be opened.
fn listen(options: &Options) -> Result<Vec<Listener>, StartError> {
    let socket = ListenOptions::default().with_receive_buffer(options.receive_buffer);
    let mut listeners = Vec::new();
    for address in &options.listen {
        let several = Listener::bind_several(*address, options.threads, &socket)
            .map_err(|error| StartError::collector_because("cannot receive flows", error))?;
        let finding = several[0].finding();
        if finding.verdict != Verdict::Good {
            tracing::warn!("{}", finding.text);
        }
        listeners.extend(several);
    }
    Ok(listeners)
}

fn open_archive(options: &Options, cx: &Context) -> Result<Option<Archive>, StartError> {
    let Some(keep) = options.flows_keep else { return Ok(None) };
    let Some(data_dir) = cx.data_dir() else {
        return Err(StartError::collector("FLOWS_KEEP needs a place for its files, and DATA_DIR is none"));
    };
    let limits = ArchiveOptions::new(keep).with_max_bytes(options.flows_max_bytes);
    let archive = Archive::start(&data_dir.join(FLOWS), &limits, Arc::clone(cx.clock()));
    archive
        .map(Some)
        .map_err(|error| StartError::collector_because("flows cannot be kept (FLOWS_KEEP)", error))
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new().name(name).spawn(run).map_err(StartError::Threads)
}
