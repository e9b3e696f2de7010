//! The command line, one file per subcommand.

pub mod backfill;
pub mod daily;
mod daily_account;
mod database;
mod definitions;
mod exit;
mod hatchet;
pub mod keys;
pub mod migrate;
mod moment;
mod object_places;
mod output;
pub mod process;
pub mod recordings;
pub mod replay;
pub mod score;
pub mod serve;
mod service;
mod signals;
mod threads;
mod unusable;
pub mod worker;
pub mod workflows;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::Level;

use self::exit::Exit;
use self::output::Output;
use crate::config::{Config, ConfigErrors, ENV_FILE, Environment, load_env_file, names};

/// What services log: of whisper.cpp and PostgreSQL, which tell much about each model and each repeated migration, only what
/// may be wrong.
const SERVICE_LOG: &str = "info,whisper_rs=warn,sqlx=warn";
/// The same, where everything between us and Hatchet is wanted.
const HATCHET_DEBUG_LOG: &str = "info,whisper_rs=warn,sqlx=warn,trackscribe=debug";

/// Turns a Daily.co multitrack recording into a finished meeting transcript.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed run, 2 bad usage or input, 3 token refused by the engine, 130 interrupted.\n\
    Settings come from the environment and .env, see the README's table; RUST_LOG=debug shows what happens inside."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(Box<replay::Args>),
    Serve(serve::Args),
    Worker(worker::Args),
    Process(process::Args),
    Backfill(backfill::Args),
    Keys(keys::Args),
    Migrate(migrate::Args),
    Recordings(recordings::Args),
    Daily(daily::Args),
    Score(score::Args),
    Workflows(workflows::Args),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    // Before there is a second thread, and before options take their values from the environment.
    let env_file = load_env_file(Path::new(ENV_FILE));
    // Prints usage and exits with 2 itself.
    let cli = Cli::parse();
    let output = Output::new();
    // Who runs a service reads its log; who runs a command reads its output.
    let is_service = matches!(cli.command, Command::Serve(_) | Command::Worker(_));
    let logged = match is_service {
        true if wants_hatchet_debug() => output.start_logging(HATCHET_DEBUG_LOG, Level::DEBUG),
        true => output.start_logging(SERVICE_LOG, Level::INFO),
        false => output.start_logging("warn", Level::INFO),
    };
    let check_log = || logged.clone().map_err(|error| Exit::bad_input(ConfigErrors::from(error).into()));
    let read_config = || {
        let config = env_file.and_then(|file| Config::read(&Environment::new(file)));
        let errors = match (config, &logged) {
            (Ok(config), Ok(())) => return Ok(config),
            (Ok(_), Err(error)) => ConfigErrors::from(error.clone()),
            (Err(errors), Ok(())) => errors,
            (Err(errors), Err(error)) => ConfigErrors(errors.0.into_iter().chain([error.clone()]).collect()),
        };
        Err(Exit::bad_input(errors.into()))
    };
    let result = match cli.command {
        Command::Replay(args) => {
            read_config().and_then(|config| replay::run(&args, &config, &output)).inspect_err(|exit| {
                if args.json {
                    replay::print_json_exit(exit);
                }
            })
        }
        Command::Serve(args) => read_config().and_then(|config| serve::run(&args, &config)),
        Command::Worker(args) => read_config().and_then(|config| worker::run(&args, &config)),
        Command::Process(args) => read_config().and_then(|config| process::run(&args, &config, &output)),
        Command::Backfill(args) => read_config().and_then(|config| backfill::run(&args, &config, &output)),
        Command::Keys(args) => read_config().and_then(|config| keys::run(&args, &config)),
        Command::Migrate(args) => read_config().and_then(|config| migrate::run(&args, &config)),
        Command::Recordings(args) => read_config().and_then(|config| recordings::run(args, &config, &output)),
        Command::Daily(args) => read_config().and_then(|config| daily::run(&args, &config)),
        Command::Score(args) => check_log().and_then(|()| score::run(&args).map(drop).map_err(Exit::bad_input)),
        Command::Workflows(args) => check_log().and_then(|()| workflows::run(&args).map_err(Exit::bad_input)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(),
    }
}

/// Read before the settings are, because the log is there first.
fn wants_hatchet_debug() -> bool {
    [names::HATCHET_CLIENT_DEBUG, names::HATCHET_DEBUG].into_iter().any(|name| {
        let value = std::env::var(name).unwrap_or_default();
        ["true", "yes", "on", "1"].iter().any(|yes| value.trim().eq_ignore_ascii_case(yes))
    })
}
