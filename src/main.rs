use std::process::ExitCode;

fn main() -> ExitCode {
    trackscribe::cli::main()
}
