//! `try`: asks one device without any backend, and shows what it is, what it counts, what a sensor would deliver, and
//! why it does not answer.
//!
//! | file | its one idea |
//! |---|---|
//! | `arguments` | what the command line says, checked |
//! | `target` | whom to ask |
//! | `names` | names of the objects that everyone uses, both ways |
//! | `contact` | the first word with the device, and in which other ways it answers |
//! | `failure` | why a device does not answer: what is known, and what can be tried |
//! | `portrait` | who the device is, what its agent is like, its interfaces with their rates |
//! | `objects` | `--get` and `--walk` |
//! | `preview` | `--expression` and `--output-path`: what a sensor would deliver |
//! | `print` | how values and times are shown, as people read them |

mod arguments;
mod contact;
mod failure;
mod names;
mod objects;
mod portrait;
mod preview;
mod print;
mod target;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use grafoleancollector::Environment;

use crate::wire::Wire;
use arguments::{Options, Refusal};
use contact::{Contact, NoContact, ask_otherwise};
use failure::Failure;

/// All well, or nobody listens to it.
const WELL: u8 = 0;
/// No answer, refused, or not read to the end.
const UNWELL: u8 = 1;
/// Wrong arguments, or an unknown name.
const USAGE: u8 = 2;

/// Runs `try` with its arguments, how it was called first.
///
/// ```
/// use grafolean_snmp_bot::try_host;
/// let help = try_host(["grafolean-snmp-bot try", "--help"].map(Into::into).to_vec());
/// assert_eq!(help, std::process::ExitCode::SUCCESS);
/// ```
#[must_use]
pub fn try_host(arguments: Vec<OsString>) -> ExitCode {
    let environment = |name: &str| match Environment::load() {
        Ok(environment) => Ok(environment.get(name)),
        Err(error) => Err(error.to_string()),
    };
    let options = match arguments::parse(arguments, &environment) {
        Ok(options) => options,
        Err(Refusal::Usage(error)) => {
            // Nothing is left to say where even this cannot be printed.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
        Err(Refusal::Problem(problem)) => {
            complain(&problem);
            return ExitCode::from(USAGE);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(UNWELL);
        }
    };
    match runtime.block_on(ask(&mut io::stdout().lock(), &options)) {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(WELL),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(UNWELL)
        }
    }
}

async fn ask(out: &mut impl Write, options: &Options) -> io::Result<u8> {
    let address = match options.target.resolve(options.asking.credential.port()).await {
        Ok(address) => address,
        Err(error) => {
            let (host, notes) = (options.host.clone(), Vec::new());
            refuse(out, options, &Failure { host, address: None, error: error.to_string(), notes })?;
            return Ok(USAGE);
        }
    };
    let wire = Arc::new(Wire::open().map_err(io::Error::other)?);
    let mut met = Contact::new(&wire, address, &options.asking).await;
    if met.as_ref().is_err_and(NoContact::is_refusal) {
        for other in options.target.others(address).await {
            if let Ok(contact) = Contact::new(&wire, other, &options.asking).await {
                let host = &options.host;
                complain(&format!(
                    "warning: {host} does not answer at {address}, where the bot would ask it, but at {other}"
                ));
                met = Ok(contact);
                break;
            }
        }
    }
    let mut contact = match met {
        Ok(contact) => contact,
        Err(no_contact) => {
            let others = ask_otherwise(&wire, no_contact.address, &options.asking).await.unwrap_or_default();
            refuse(out, options, &Failure::new(&options.host, &options.asking, &no_contact, &others))?;
            return Ok(UNWELL);
        }
    };
    let (well, complaints) = match &options.sensor {
        Some(sensor) => preview::show(out, options, sensor, &mut contact).await?,
        None if options.sources.is_empty() => {
            (portrait::draw(out, options, &wire, &mut contact).await?, Vec::new())
        }
        None => objects::show(out, options, &mut contact).await?,
    };
    out.flush()?;
    complaints.iter().for_each(|problem| complain(&objects::complaint(problem)));
    Ok(if well { WELL } else { UNWELL })
}

fn refuse(out: &mut impl Write, options: &Options, failure: &Failure) -> io::Result<()> {
    if options.json {
        return writeln!(out, "{}", serde_json::to_string(failure)?);
    }
    let whom = match failure.address {
        Some(address) => options.target.shown(address),
        None => failure.host.clone(),
    };
    complain(&format!("{whom}: {}", failure.error));
    failure.notes.iter().for_each(|note| complain(&format!("  {note}")));
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a command says on standard error what went wrong")]
fn complain(what: &str) {
    eprintln!("{what}");
}
