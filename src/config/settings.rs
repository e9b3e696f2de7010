//! The one list of settings. README's table and `.env.example` are held to it by a test.

/// One row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The name; several where several places have the same kind of setting.
    pub names: &'static [&'static str],
    /// What holds while it is not set; empty when nothing does.
    pub default: &'static str,
    /// What it is, as a cell of a Markdown table.
    pub what: &'static str,
    /// A value for each name, as it would stand in `.env`.
    pub examples: &'static [&'static str],
}

/// The settings' names.
pub mod names {
    /// Where `serve` answers.
    pub const BIND: &str = "BIND";
    /// The database.
    pub const DATABASE_URL: &str = "DATABASE_URL";
    /// Where what we make is kept.
    pub const STORAGE_URL: &str = "STORAGE_URL";
    /// Where the recordings' tracks are.
    pub const DAILY_STORAGE_URL: &str = "DAILY_STORAGE_URL";
    /// Who answers for Daily.
    pub const DAILY_API_URL: &str = "DAILY_API_URL";
    /// Who we are to Daily.
    pub const DAILY_API_KEY: &str = "DAILY_API_KEY";
    /// What Daily signs its webhooks with.
    pub const DAILY_WEBHOOK_SECRET: &str = "DAILY_WEBHOOK_SECRET";
    /// Where Daily reaches this program's webhook.
    pub const DAILY_WEBHOOK_URL: &str = "DAILY_WEBHOOK_URL";
    /// Which rooms' recordings are processed.
    pub const ROOMS: &str = "ROOMS";
    /// How often Daily is asked for recordings.
    pub const POLL_INTERVAL: &str = "POLL_INTERVAL";
    /// Which engine runs the workflows.
    pub const DURABLE_WORKFLOW_PROVIDER: &str = "DURABLE_WORKFLOW_PROVIDER";
    /// Hatchet's API token.
    pub const HATCHET_CLIENT_TOKEN: &str = "HATCHET_CLIENT_TOKEN";
    /// A file with that token.
    pub const HATCHET_CLIENT_TOKEN_FILE: &str = "HATCHET_CLIENT_TOKEN_FILE";
    /// The engine's `host:port`.
    pub const HATCHET_CLIENT_HOST_PORT: &str = "HATCHET_CLIENT_HOST_PORT";
    /// Where Hatchet's REST API is.
    pub const HATCHET_CLIENT_SERVER_URL: &str = "HATCHET_CLIENT_SERVER_URL";
    /// The tenant.
    pub const HATCHET_CLIENT_TENANT_ID: &str = "HATCHET_CLIENT_TENANT_ID";
    /// What stands before our workflows' names.
    pub const HATCHET_CLIENT_NAMESPACE: &str = "HATCHET_CLIENT_NAMESPACE";
    /// `none`, `tls` or `mtls`.
    pub const HATCHET_CLIENT_TLS_STRATEGY: &str = "HATCHET_CLIENT_TLS_STRATEGY";
    /// The root certificate that vouches for the engine's.
    pub const HATCHET_CLIENT_TLS_ROOT_CA_FILE: &str = "HATCHET_CLIENT_TLS_ROOT_CA_FILE";
    /// Our certificate.
    pub const HATCHET_CLIENT_TLS_CERT_FILE: &str = "HATCHET_CLIENT_TLS_CERT_FILE";
    /// Its key.
    pub const HATCHET_CLIENT_TLS_KEY_FILE: &str = "HATCHET_CLIENT_TLS_KEY_FILE";
    /// The name that the engine's certificate is for.
    pub const HATCHET_CLIENT_TLS_SERVER_NAME: &str = "HATCHET_CLIENT_TLS_SERVER_NAME";
    /// Whether all that happens between us and Hatchet is logged.
    pub const HATCHET_CLIENT_DEBUG: &str = "HATCHET_CLIENT_DEBUG";
    /// The same, as others call it.
    pub const HATCHET_DEBUG: &str = "HATCHET_DEBUG";
    /// Where a worker's own pages are.
    pub const WORKER_BIND: &str = "WORKER_BIND";
    /// How long a worker goes on that is told to stop.
    pub const SHUTDOWN_GRACE: &str = "SHUTDOWN_GRACE";
    /// A whisper.cpp model file.
    pub const SPEECH_MODEL: &str = "SPEECH_MODEL";
    /// ISO 639-1, or `auto`.
    pub const SPEECH_LANGUAGE: &str = "SPEECH_LANGUAGE";
    /// Threads that one recognition uses.
    pub const SPEECH_THREADS: &str = "SPEECH_THREADS";
    /// Threads that may work at once.
    pub const CPU_THREADS: &str = "CPU_THREADS";
    /// A TOML file that changes limits of the workflows.
    pub const WORKFLOW_OVERRIDES: &str = "WORKFLOW_OVERRIDES";
    /// What is logged.
    pub const RUST_LOG: &str = "RUST_LOG";
}

/// Every setting, in the order in which people read of them.
pub const SETTINGS: &[Setting] = &[
    Setting {
        names: &[names::BIND],
        default: "`127.0.0.1:8080`",
        what: "where `serve` answers; `--bind` counts for more",
        examples: &["0.0.0.0:8080"],
    },
    Setting {
        names: &[names::DATABASE_URL],
        default: "",
        what: "the database: `postgres://user:password@host/name`, or `sqlite:///path/to/store.db`, which serves processes on one \
               host; a missing file is created",
        examples: &["postgres://trackscribe:password@localhost/trackscribe"],
    },
    Setting {
        names: &[names::STORAGE_URL],
        default: "",
        what: "where what we make is kept: `s3://bucket/prefix`, or `file:///path/to/folder`, which serves processes on one host; \
               a missing folder is created",
        examples: &["s3://our-transcripts/trackscribe"],
    },
    Setting {
        names: &[names::DAILY_STORAGE_URL],
        default: "",
        what: "where the recordings' tracks are: `s3://bucket`, or `file:///path/to/folder` with the recordings' keys below it",
        examples: &["s3://our-daily-recordings"],
    },
    Setting {
        names: &["STORAGE_ENDPOINT", "DAILY_STORAGE_ENDPOINT"],
        default: "AWS",
        what: "the S3 server, where it is not AWS: `https://minio.example.org`",
        examples: &["https://minio.example.org", "https://minio.example.org"],
    },
    Setting {
        names: &["STORAGE_REGION", "DAILY_STORAGE_REGION"],
        default: "AWS chain",
        what: "the bucket's region",
        examples: &["eu-west-1", "us-west-2"],
    },
    Setting {
        names: &["STORAGE_ACCESS_KEY_ID", "DAILY_STORAGE_ACCESS_KEY_ID"],
        default: "AWS chain",
        what: "who we are to S3. Without it the standard chain: environment, profile, container, instance",
        examples: &["AKIA…", "AKIA…"],
    },
    Setting {
        names: &["STORAGE_SECRET_ACCESS_KEY", "DAILY_STORAGE_SECRET_ACCESS_KEY"],
        default: "AWS chain",
        what: "the secret that goes with it",
        examples: &["…", "…"],
    },
    Setting {
        names: &["STORAGE_ROLE_ARN", "DAILY_STORAGE_ROLE_ARN"],
        default: "",
        what: "a role to take on, with these keys or those of the chain",
        examples: &["arn:aws:iam::123456789012:role/transcripts", "arn:aws:iam::123456789012:role/daily-reader"],
    },
    Setting {
        names: &["STORAGE_PATH_STYLE", "DAILY_STORAGE_PATH_STYLE"],
        default: "`true` with an endpoint, else `false`",
        what: "`https://server/bucket/key` instead of `https://bucket.server/key`",
        examples: &["true", "true"],
    },
    Setting {
        names: &[names::DAILY_API_URL],
        default: "`https://api.daily.co/v1`",
        what: "who answers for Daily; `file:///path/to/folders`: recorded folders",
        examples: &["https://api.daily.co/v1"],
    },
    Setting {
        names: &[names::DAILY_API_KEY],
        default: "",
        what: "who we are to Daily's API. Without it nothing is asked of Daily: no recording can be read",
        examples: &["…"],
    },
    Setting {
        names: &[names::DAILY_WEBHOOK_SECRET],
        default: "",
        what: "what Daily signs its webhooks with, as `trackscribe daily webhook create` prints it. Without it no webhook is taken",
        examples: &["…"],
    },
    Setting {
        names: &[names::DAILY_WEBHOOK_URL],
        default: "",
        what: "this program's `/v1/daily/webhook` as Daily reaches it. With it, a subscription that Daily gave up is repaired",
        examples: &["https://trackscribe.example.org/v1/daily/webhook"],
    },
    Setting {
        names: &[names::ROOMS],
        default: "`all` while no room is configured, else `configured`",
        what: "which rooms' recordings are processed: `all`, `configured`, or patterns of base names with commas between \
               them, in which `*` stands for any letters",
        examples: &["standup,team-*"],
    },
    Setting {
        names: &[names::POLL_INTERVAL],
        default: "`60s`",
        what: "how often Daily is asked for recordings whose webhook was missed: `90s`, `5m`, `1h`, or `off`",
        examples: &["60s"],
    },
    Setting {
        names: &[names::DURABLE_WORKFLOW_PROVIDER],
        default: "`none`",
        what: "which engine runs the workflows: `none` is the built-in one, `hatchet` a Hatchet engine; `conductor` is to come",
        examples: &["none"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_TOKEN],
        default: "",
        what: "Hatchet's API token; it says who we are and where the engine is. The settings below count for more than the token",
        examples: &["eyJ…"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_TOKEN_FILE],
        default: "",
        what: "instead of the token a file that it stands in, read at start: for secrets and volumes of container engines",
        examples: &["/run/secrets/hatchet_token"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_HOST_PORT],
        default: "the token's",
        what: "the engine's host and port. The token's is often `localhost`, which leads nowhere from inside a container",
        examples: &["hatchet:7077"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_SERVER_URL],
        default: "the token's",
        what: "where Hatchet's REST API is",
        examples: &["http://hatchet:8888"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_TENANT_ID],
        default: "the token's",
        what: "the tenant",
        examples: &["707d0855-80ab-4e1f-a156-f1c4546cbf52"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_NAMESPACE],
        default: "",
        what: "what stands before our workflows' names, in lower case: keeps two systems in one tenant apart",
        examples: &["staging"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_TLS_STRATEGY],
        default: "`tls`",
        what: "how the connection to the engine is protected: `none`, `tls`, or `mtls` with a certificate of ours",
        examples: &["none"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_TLS_ROOT_CA_FILE],
        default: "the machine's",
        what: "a PEM file: the root certificate that vouches for the engine's",
        examples: &["/etc/hatchet/ca.pem"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_TLS_CERT_FILE, names::HATCHET_CLIENT_TLS_KEY_FILE],
        default: "",
        what: "PEM files: our certificate and its key, for `mtls`",
        examples: &["/etc/hatchet/client.pem", "/etc/hatchet/client.key"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_TLS_SERVER_NAME],
        default: "the engine's host",
        what: "the name that the engine's certificate is for",
        examples: &["hatchet.internal"],
    },
    Setting {
        names: &[names::HATCHET_CLIENT_DEBUG, names::HATCHET_DEBUG],
        default: "`false`",
        what: "`true`: all that happens between us and Hatchet is logged, as with `RUST_LOG=trackscribe=debug`",
        examples: &["true", "true"],
    },
    Setting {
        names: &[names::WORKER_BIND],
        default: "`127.0.0.1:8081`",
        what: "where `worker` shows how it is (`/healthz`, `/readyz`, `/metrics`); where that is taken, on the next free port",
        examples: &["0.0.0.0:8081"],
    },
    Setting {
        names: &[names::SHUTDOWN_GRACE],
        default: "`25s`",
        what: "how long a `worker` that is told to stop goes on with what it has; what it can't finish another one takes over",
        examples: &["25s"],
    },
    Setting {
        names: &[names::SPEECH_MODEL],
        default: "",
        what: "a whisper.cpp model file",
        examples: &["/var/lib/trackscribe/ggml-large-v3-turbo-q5_0.bin"],
    },
    Setting {
        names: &[names::SPEECH_LANGUAGE],
        default: "`auto`",
        what: "the language that is spoken, an ISO 639-1 code or `auto`",
        examples: &["auto"],
    },
    Setting {
        names: &[names::SPEECH_THREADS],
        default: "`1`",
        what: "threads of one recognition. As many recognitions run at once as fit in `CPU_THREADS`; one thread each is fastest \
               in all, more give a lone long track sooner",
        examples: &["1"],
    },
    Setting {
        names: &[names::CPU_THREADS],
        default: "all cores",
        what: "threads that may compute at once",
        examples: &["2"],
    },
    Setting {
        names: &[names::WORKFLOW_OVERRIDES],
        default: "",
        what: "a TOML file that changes limits, see below",
        examples: &["/etc/trackscribe/limits.toml"],
    },
    Setting {
        names: &[names::RUST_LOG],
        default: "`info,whisper_rs=warn,sqlx=warn` of `serve` and `worker`, else `warn`",
        what: "what is logged to standard error; `info,trackscribe=debug` shows what happens inside",
        examples: &["info,trackscribe=debug"],
    },
];
