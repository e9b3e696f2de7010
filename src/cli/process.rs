//! `trackscribe process RECORDING`: makes the transcript of one recording, or makes it anew.

use anyhow::anyhow;

use super::exit::Exit;
use super::output::Output;
use super::service::{Service, tell_if_nobody_executes, waiting, with_service};
use crate::config::Config;
use crate::failure::{Failure as _, FailureClass, with_causes};
use crate::ids::RecordingId;
use crate::notify::NotifyMode;
use crate::secret::redacted;
use crate::trigger::{Origin, TriggerError, Wanted};

/// Make the transcript of a recording, or make it anew
///
/// Works whichever rooms ROOMS names. Refused while the recording is being processed, and when its audio was deleted because
/// consent was denied.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Daily's id of the recording
    #[arg(value_name = "RECORDING")]
    pub recording: RecordingId,
    /// Return when the transcript is finished, or will not be
    #[arg(long)]
    pub wait: bool,
    /// Whom the finished transcript is told to: none, update (those who were told of it before) or all
    #[arg(long, value_name = "WHOM", default_value = "update")]
    pub notify: NotifyMode,
    /// The room it was recorded in [default: as Daily says]
    #[arg(long, value_name = "NAME")]
    pub room: Option<String>,
}

/// Opens what the settings name, starts the run, and waits for it if that was asked for.
///
/// # Errors
/// The way the program is to end.
pub fn run(args: &Args, config: &Config, output: &Output) -> Result<(), Exit> {
    with_service(config, async |service| process(args, service, output).await)
}

async fn process(args: &Args, service: &Service, output: &Output) -> Result<(), Exit> {
    service.require_daily()?;
    let listed = match service.daily.recording(&args.recording).await {
        Ok(listed) => Some(listed),
        Err(error) if error.class() == FailureClass::Permanent => return Err(Exit::bad_input(error.into())),
        Err(error) => {
            output.line(&format!("warning: {error}; the run asks again"));
            None
        }
    };
    let room = args.room.clone().or_else(|| listed.and_then(|listed| listed.room_name));
    let wanted = Wanted { room, notify: args.notify, ..Wanted::new(args.recording.clone(), Origin::Command) };
    let triggered = match service.trigger.start(wanted).await {
        Ok(triggered) => triggered,
        Err(error) => return Err(refused(error, service, output).await),
    };
    match (&triggered.run, &triggered.waits) {
        (Some(run), _) => output.line(&format!("run {run} makes transcript {}", triggered.transcript)),
        (None, waits) => {
            let why = waits.as_deref().unwrap_or("the engine has no run yet");
            output.line(&format!(
                "transcript {} is made as soon as the engine can be reached: {why}",
                triggered.transcript
            ));
        }
    }
    println!("{}", triggered.transcript);
    tell_if_nobody_executes(service, output).await;
    if !args.wait {
        return Ok(());
    }
    let followed = waiting(service, output, service.trigger.follow(&triggered.request)).await.map_err(Exit::of)?;
    match followed.error {
        None => {
            output.line(&format!("transcript {} is finished", followed.transcript));
            Ok(())
        }
        Some(error) => Err(Exit::Failed(anyhow!("no transcript: {error}"))),
    }
}

/// Of a run that was asked for before, no more is said than is known: whether it is at work, the engine tells.
async fn refused(error: TriggerError, service: &Service, output: &Output) -> Exit {
    let (recording, run, since, why) = match error {
        TriggerError::Active { recording, run, since, why, .. } => (recording, run, since, why),
        TriggerError::Store(error) => return Exit::of(error),
        refusal => return Exit::Failed(refusal.into()),
    };
    let stands = match &run {
        None => "it has no run yet".to_owned(),
        Some(run) => match service.engine.status(run).await {
            Ok(status) => format!("run {run} is {status}"),
            Err(error) => format!("how run {run} stands is not known ({})", redacted(&with_causes(&error))),
        },
    };
    let why = why.map_or_else(String::new, |why| format!("; what went wrong last: {why}"));
    tell_if_nobody_executes(service, output).await;
    Exit::Failed(anyhow!("a transcript of recording {recording} was asked for at {since} already: {stands}{why}"))
}
