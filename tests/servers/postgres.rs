//! A real PostgreSQL for tests: Debian's programs, a folder and a port of its own, no trace left behind.
//!
//! It runs with `fsync = off`: what it commits is not on the disk yet, so nothing may be measured on it. `scripts/bench`
//! starts one of its own.
//!
//! The server is the child of a small shell that waits for the end of a pipe from this process: however the tests end,
//! killed ones included, the server ends and its folder goes. PostgreSQL refuses to run as root; then it runs as the
//! user `postgres`, or `nobody`.
//!
//! Used by several test programs, with `#[path]`; each uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor};

/// How long the server may take to start or stop: machines that run tests are busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// The role that owns everything.
const ROLE: &str = "tester";
/// The database that others are copied from.
const TEMPLATE: &str = "prepared";

/// Starts the server, then does what it is told line by line, and cleans up when the pipe ends.
const SUPERVISOR: &str = r#"
begin() { "$BIN/postgres" -D "$FOLDER/data" -p "$PORT" -k "$FOLDER" >>"$FOLDER/log" 2>&1 & server=$!; }
children() {
    for stat in /proc/[0-9]*/stat; do
        read -r pid _ _ parent _ <"$stat" && [ "$parent" = "$server" ] && echo "$pid"
    done 2>/dev/null
}
begin
echo "$server"
while read -r word; do
    case "$word" in
    stop) kill -INT "$server"; wait "$server" ;;
    kill) kill -QUIT "$server"; wait "$server" ;;
    start) begin ;;
    pause) kill -STOP "$server" $(children) ;;
    resume) kill -CONT "$server" $(children) ;;
    esac
    echo "$server"
done
kill -CONT "$server" $(children) 2>/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$FOLDER"
"#;

/// A running PostgreSQL.
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    shell: Mutex<Shell>,
    databases: AtomicU32,
    prepared: tokio::sync::Mutex<bool>,
}

struct Shell {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Postgres {
    /// The one that all tests of this program share. Not for tests that stop it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start_new)
    }

    /// One of its own, for a test that stops it.
    pub fn start_new() -> Self {
        let programs = programs();
        let owner = unprivileged();
        let folder = tempfile::Builder::new().prefix("pg-").tempdir().expect("a temporary folder").keep();
        if let Some((user, group)) = owner {
            chown(&folder, Some(user), Some(group)).expect("chown to the user who will run PostgreSQL");
        }
        let as_owner = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(&folder).env("LC_ALL", "C");
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        let made = as_owner(&programs.join("initdb"))
            .args(["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--username", ROLE, "-D"])
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .output()
            .expect("initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        // What was committed survives the server's crash, not the machine's.
        let settings = "listen_addresses = '127.0.0.1'\nmax_connections = 200\nshared_buffers = 32MB\n\
             fsync = off\nfull_page_writes = off\nmax_wal_size = 256MB\n";
        let file = folder.join("data/postgresql.conf");
        let mut file = fs::File::options().append(true).open(file).expect("postgresql.conf");
        file.write_all(settings.as_bytes()).expect("postgresql.conf");

        // Whoever else wants a free port may be given the same one before the server has it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a port").port();
            let mut child = as_owner(Path::new("/bin/sh"))
                .args(["-c", SUPERVISOR])
                .env("BIN", &programs)
                .env("FOLDER", &folder)
                .env("PORT", port.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                // Ctrl-C in a terminal ends the tests, and their end ends the server.
                .process_group(0)
                .spawn()
                .expect("a shell");
            let orders = child.stdin.take();
            let answers = BufReader::new(child.stdout.take().expect("stdout"));
            let shell = Mutex::new(Shell { child, orders, answers });
            let server = Self {
                folder: folder.clone(),
                port,
                shell,
                databases: AtomicU32::new(0),
                prepared: tokio::sync::Mutex::new(false),
            };
            let pid = server.answer();
            if server.wait_until_ready(&pid) {
                return server;
            }
            let log = server.log();
            assert!(log.contains("could not bind"), "PostgreSQL did not start: {log}");
            // Its shell must not take the folder away.
            let mut shell = server.shell.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = shell.child.kill().and_then(|()| shell.child.wait());
        }
        panic!("found no free port for PostgreSQL");
    }

    fn answer(&self) -> String {
        let mut line = String::new();
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        shell.answers.read_line(&mut line).expect("the shell's answer");
        line.trim().to_owned()
    }

    fn order(&self, word: &str) -> String {
        {
            let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
            let orders = shell.orders.as_mut().expect("not stopped");
            writeln!(orders, "{word}").expect("the shell");
        }
        self.answer()
    }

    /// Whether the server came up; as `pg_ctl` sees it, from the file with its process id.
    fn wait_until_ready(&self, pid: &str) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let lines = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
            let mut lines = lines.lines();
            if lines.next() == Some(pid) && lines.nth(6).is_some_and(|status| status.trim() == "ready") {
                return true;
            }
            if !Path::new(&format!("/proc/{pid}")).exists() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// What the server has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Stops the server as an administrator would: running statements are cut off. Blocks, as all of these do.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Ends the server as a crash would.
    pub fn kill(&self) {
        self.order("kill");
    }

    /// Starts a stopped server again.
    pub fn start(&self) {
        let pid = self.order("start");
        assert!(self.wait_until_ready(&pid), "PostgreSQL did not start again: {}", self.log());
    }

    /// Stops and starts it.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Makes it hang: connections stay, nothing is answered.
    pub fn pause(&self) {
        self.order("pause");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.order("resume");
    }

    /// The address of a database of this server, by TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same by its Unix socket.
    pub fn socket_url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={}&user={ROLE}", self.folder.display(), self.port)
    }

    /// An empty database of its own; its name.
    pub async fn empty(&self) -> String {
        self.create("template0").await
    }

    /// A database of its own that is a copy of what `prepare` once made of an empty one, given its address; its name.
    /// `prepare` is called once for each server.
    pub async fn prepared(&self, prepare: impl AsyncFnOnce(String)) -> String {
        let mut prepared = self.prepared.lock().await;
        if !*prepared {
            self.execute(&format!("CREATE DATABASE {TEMPLATE}")).await;
            prepare(self.url(TEMPLATE)).await;
            // Nobody comes in any more: a database that is being used can't be copied.
            self.execute(&format!(
                "ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false;
                 SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'"
            ))
            .await;
            *prepared = true;
        }
        self.create(TEMPLATE).await
    }

    async fn create(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        name
    }

    async fn execute(&self, sql: &str) {
        let mut connection = sqlx::PgConnection::connect(&self.url("postgres")).await.expect("a connection");
        for statement in sql.split(';') {
            let statement = sqlx::AssertSqlSafe(statement.to_owned());
            connection.execute(sqlx::raw_sql(statement)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        connection.close().await.expect("closed");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let shell = self.shell.get_mut().unwrap_or_else(PoisonError::into_inner);
        shell.orders.take();
        let _ = shell.child.wait();
    }
}

/// The folder of PostgreSQL's programs: the newest of Debian's, else where the search path finds them.
fn programs() -> PathBuf {
    let has_server = |folder: &PathBuf| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file());
    let version = |folder: &PathBuf| {
        let name = folder.parent()?.file_name()?.to_str()?;
        name.parse::<u32>().ok()
    };
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian.map(|entry| entry.path().join("bin")).filter(has_server).max_by_key(version);
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest.or_else(|| std::env::split_paths(&path).find(has_server)).unwrap_or_else(|| {
        panic!(
            "these tests need PostgreSQL's server programs (initdb, postgres): install Debian's package `postgresql`, \
             or run scripts/setup postgresql"
        )
    })
}

/// User and group to run the server as, when this process is root.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").expect("/proc").uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map_while(|id| id.parse().ok());
        Some((ids.next()?, ids.next()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("a user `postgres` or `nobody`: PostgreSQL refuses root"))
}
