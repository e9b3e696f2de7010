//! `trackscribe process RECORDING`: makes the transcript of one recording, or makes it anew.

use anyhow::anyhow;

use super::exit::Exit;
use super::output::Output;
use super::service::with_service;
use crate::config::Config;
use crate::daily::DailySource;
use crate::failure::{Failure as _, FailureClass};
use crate::ids::RecordingId;
use crate::notify::NotifyMode;
use crate::trigger::{Origin, Trigger, TriggerError, Wanted};

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
    with_service(config, async |service| process(args, &service.trigger, service.daily.as_ref(), output).await)
}

async fn process(args: &Args, trigger: &Trigger, daily: &dyn DailySource, output: &Output) -> Result<(), Exit> {
    let listed = match daily.recording(&args.recording).await {
        Ok(listed) => Some(listed),
        Err(error) if error.class() == FailureClass::Permanent => return Err(Exit::bad_input(error.into())),
        Err(error) => {
            output.line(&format!("warning: {error}; the run asks again"));
            None
        }
    };
    let room = args.room.clone().or_else(|| listed.and_then(|listed| listed.room_name));
    let wanted = Wanted { room, notify: args.notify, ..Wanted::new(args.recording.clone(), Origin::Command) };
    let triggered = trigger.start(wanted).await.map_err(refused)?;
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
    if !args.wait {
        return Ok(());
    }
    let followed = trigger.follow(&triggered.request).await.map_err(Exit::of)?;
    match followed.error {
        None => {
            output.line(&format!("transcript {} is finished", followed.transcript));
            Ok(())
        }
        Some(error) => Err(Exit::Failed(anyhow!("no transcript: {error}"))),
    }
}

fn refused(error: TriggerError) -> Exit {
    match error {
        TriggerError::Store(error) => Exit::of(error),
        refusal => Exit::Failed(refusal.into()),
    }
}
