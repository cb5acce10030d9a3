//! The command line: the daemon itself, what can be answered in a dry run, and a client of the running exchange.
//! Exit codes: 0 yes, 1 the answer is no, 2 wrong use. Every command that prints takes `--json`.

mod client;
mod drafts;
mod offline;
#[cfg(feature = "plugins")]
mod plugin;
#[cfg(feature = "plugins")]
mod plugin_dev;
#[cfg(feature = "plugins")]
mod plugin_new;
mod rates;
mod remote;
mod routes;
mod script;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ringtrip_config::Region;

use crate::logging::LogTo;
use crate::plan::{BarWord, IncompleteWord};
use crate::start::default_data;

/// A telephone exchange in a box.
#[derive(Parser, Debug)]
#[command(name = "ringtrip", version, disable_help_subcommand = true)]
struct Cli {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Folder of the exchange's data.
    #[arg(long, global = true, env = "RINGTRIP_DATA")]
    data: Option<PathBuf>,
    /// Address of a running exchange; read from the data folder if not given.
    #[arg(long, global = true, env = "RINGTRIP_URL")]
    url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the exchange.
    Serve(Serve),
    /// Try and check dial plans.
    #[command(subcommand)]
    Dialplan(Dialplan),
    /// What plan and script would do with a call.
    #[command(subcommand)]
    Route(Route),
    /// Routes that are not active yet: write, check, replay, activate, undo.
    #[command(subcommand)]
    Draft(drafts::Draft),
    /// Check, show, change, compare and undo the configuration.
    #[command(subcommand)]
    Config(Config),
    /// Calls in progress.
    #[command(subcommand)]
    Call(Call),
    /// Call detail records.
    #[command(subcommand)]
    Cdr(Cdr),
    /// Analog lines.
    #[command(subcommand)]
    Line(List),
    /// SIP providers.
    #[command(subcommand)]
    Gateway(List),
    /// Extensions and their phones.
    #[command(subcommand)]
    Extension(List),
    /// API tokens.
    #[command(subcommand)]
    Token(Token),
    /// Price lists, and what calls cost.
    #[command(subcommand)]
    Rates(rates::Rates),
    /// Routing scripts.
    #[command(subcommand)]
    Script(script::Script),
    /// Wasm plugins.
    #[cfg(feature = "plugins")]
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// What needs the owner of the data.
    #[command(subcommand)]
    Admin(Admin),
    /// Writes records until it is killed; the kill test reads what it says.
    #[command(hide = true)]
    StoreTorture(Torture),
}

#[derive(Args, Debug)]
struct Serve {
    /// A TOML document to start with, kept as a new version when it differs from the newest.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where the box stands, for the first document.
    #[arg(long, value_enum, default_value = "us")]
    region: RegionWord,
    /// Let faults be injected, to see that parts come back.
    #[arg(long)]
    developer: bool,
    /// Where logs go.
    #[arg(long, value_enum, env = "RINGTRIP_LOG")]
    log: Option<LogTo>,
    /// Folder of the board drivers; beside the program if not given.
    #[arg(long, env = "RINGTRIP_DRIVERS")]
    drivers: Option<PathBuf>,
    /// The line host program; beside this program if not given.
    #[arg(long, env = "RINGTRIP_LINEHOST")]
    linehost: Option<PathBuf>,
    /// The compiler of plugins; beside this program if not given.
    #[cfg(feature = "plugins")]
    #[arg(long, env = "RINGTRIP_WASMC")]
    wasmc: Option<PathBuf>,
    /// Where the console and the API listen instead of what the configuration says.
    #[arg(long)]
    http: Option<std::net::SocketAddr>,
    /// Where SIP listens instead of what the configuration says; port 0 takes a free one.
    #[arg(long)]
    sip: Option<std::net::SocketAddr>,
    /// Start, say where everything is, and stop again: shows that all parts come up.
    #[arg(long)]
    once: bool,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum RegionWord {
    Us,
    Uk,
}

#[derive(Subcommand, Debug)]
enum Dialplan {
    /// Press keys on a plan, in a dry run: 0.5 s apart; a number in braces, as in 55{2.9}51, waits so many seconds more.
    Try {
        /// The plan.
        plan: String,
        /// The keys.
        keys: String,
        /// With the star codes that SPA adapters know by default.
        #[arg(long)]
        vsc: bool,
        /// When a barred number is refused.
        #[arg(long, value_enum, default_value = "prefix")]
        bar: BarWord,
        /// What becomes of an incomplete number.
        #[arg(long, value_enum, default_value = "reject")]
        incomplete: IncompleteWord,
        /// Seconds between keys while no number is complete.
        #[arg(long)]
        long: Option<f64>,
        /// Seconds for one more key when a number is complete.
        #[arg(long)]
        short: Option<f64>,
    },
    /// Say what is wrong with a plan, where, and how to correct it.
    Check {
        /// The plan.
        plan: String,
    },
}

#[derive(Subcommand, Debug)]
enum Route {
    /// The whole decision about a call, step by step. Nothing rings.
    Explain(Explain),
    /// Which numbers, callers and times lead to a target.
    WhoReaches {
        /// An extension, a line, a gateway (gw0 is the landline), or a host.
        target: String,
        /// By this draft instead of what is active: its name, a TOML document or a script.
        #[arg(long)]
        draft: Option<String>,
    },
    /// What would be done with a call, in short.
    Try {
        /// An extension, a line or a gateway.
        from: String,
        /// What is dialled.
        number: String,
    },
    /// Show when a call that failed outside is tried another way.
    Failover,
}

#[derive(Args, Debug)]
struct Explain {
    /// What is dialled.
    number: String,
    /// An extension, a line or a gateway.
    #[arg(long)]
    from: String,
    /// When: 2026-12-24T18:00, in the zone of the exchange.
    #[arg(long)]
    at: Option<String>,
    /// Assume that a line is in this state: fxo1=busy.
    #[arg(long, value_name = "LINE=STATE", num_args = 1..)]
    line_state: Vec<String>,
    /// Assume that a gateway is in this state: gw1=down.
    #[arg(long, value_name = "GATEWAY=STATE", num_args = 1..)]
    gateway_state: Vec<String>,
    /// By this draft instead of what is active: its name, a TOML document or a script.
    #[arg(long)]
    draft: Option<String>,
}

#[derive(Subcommand, Debug)]
enum Config {
    /// Say what is wrong with a document. Needs no running exchange.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// List the days that are holidays: of a document, or the active ones if none is named.
    Holidays {
        /// The document; its calendars lie beside it or in the data folder. Needs no running exchange.
        file: Option<PathBuf>,
        /// Only this year.
        #[arg(long)]
        year: Option<i16>,
    },
    /// Print the document.
    Show {
        /// An earlier version.
        version: Option<u64>,
        /// With passwords.
        #[arg(long)]
        secrets: bool,
    },
    /// List the versions.
    Versions,
    /// Compare two versions; the newest with the one before if none is named.
    Diff {
        /// The older.
        from: Option<u64>,
        /// The newer.
        to: Option<u64>,
    },
    /// Make a document active.
    Put {
        /// The file.
        file: PathBuf,
        /// Why, for those who read the versions later.
        #[arg(long, default_value = "")]
        note: String,
        /// The version that it was made from; the newest if not given.
        #[arg(long)]
        from: Option<u64>,
    },
    /// Make an earlier version active again; the one before the newest if none is named.
    Undo {
        /// The version.
        version: Option<u64>,
    },
}

#[derive(Subcommand, Debug)]
enum Call {
    /// List calls in progress.
    List,
    /// Ring FROM, then call TO.
    Originate {
        /// An extension or a line.
        from: String,
        /// A number, as if dialled there.
        to: String,
    },
    /// End a call.
    Hangup {
        /// Its id.
        id: String,
    },
}

#[derive(Subcommand, Debug)]
enum Cdr {
    /// List, newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u16,
        /// Only where a number, extension, line or target contains this.
        #[arg(long)]
        party: Option<String>,
        /// Only those that ended so.
        #[arg(long)]
        cause: Option<String>,
        /// The `next` of the page before.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show one.
    Show {
        /// The call's id.
        id: String,
    },
}

#[derive(Subcommand, Debug)]
enum List {
    /// List them.
    List,
}

#[derive(Subcommand, Debug)]
enum Token {
    /// Make one. It is printed once.
    Create {
        /// What it is for.
        name: String,
        /// What it may do.
        #[arg(long, value_parser = ["read", "admin"], default_value = "read")]
        scope: String,
    },
    /// List them.
    List,
    /// Revoke one.
    Revoke {
        /// Its id.
        id: String,
    },
}

#[derive(Subcommand, Debug)]
enum Admin {
    /// Make a new admin secret; the exchange must be stopped.
    ResetSecret,
}

#[derive(Args, Debug)]
struct Torture {
    /// The folder.
    dir: PathBuf,
    /// Without any flush: the negative control.
    #[arg(long)]
    unflushed: bool,
    /// Makes the records of this run its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many rounds to write.
    #[arg(long, default_value_t = u64::MAX)]
    rounds: u64,
}

/// All options of a start on the command line.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Folder of the data.
    pub data: PathBuf,
    /// Document to start with.
    pub config: Option<PathBuf>,
    /// For the first document.
    pub region: Region,
    /// Faults may be injected.
    pub developer: bool,
    /// Where logs go; already set up. `None`: where the configuration says.
    pub log: Option<LogTo>,
    /// Folder of the board drivers.
    pub drivers: Option<PathBuf>,
    /// The line host program.
    pub linehost: Option<PathBuf>,
    /// The compiler of plugins.
    #[cfg(feature = "plugins")]
    pub wasmc: Option<PathBuf>,
    /// Where HTTP listens instead of what the configuration says.
    pub http: Option<std::net::SocketAddr>,
    /// Where SIP listens instead of what the configuration says.
    pub sip: Option<std::net::SocketAddr>,
    /// Stop again once everything is up.
    pub once: bool,
}

/// Reads the command line and does what it says. `serve` runs the exchange until a signal stops it.
pub fn run(serve: impl FnOnce(ServeOptions) -> anyhow::Result<()>) -> ExitCode {
    let cli = Cli::parse();
    let data = cli.data.clone().unwrap_or_else(default_data);
    if !matches!(cli.command, Command::Serve(_)) {
        end_with_the_reader();
    }
    // What is checked without an exchange may name calendars of its data folder.
    crate::config::calendars_also_in(&data);
    let outcome = match cli.command {
        Command::Serve(options) => start(options, data, serve),
        Command::Dialplan(command) => offline::dialplan(command, cli.json),
        Command::Config(Config::Check { file }) => offline::check(&file, cli.json),
        Command::Config(Config::Holidays { file: Some(file), year }) => {
            offline::holidays(&file, year, cli.json)
        }
        Command::Script(command) => match command.run_offline(cli.json) {
            Ok(outcome) => outcome,
            Err(command) => client::Client::new(&data, cli.url.as_deref())
                .and_then(|client| remote::run(&client, Command::Script(command), cli.json)),
        },
        #[cfg(feature = "plugins")]
        Command::Plugin(command) => {
            plugin::run(command, cli.json, || client::Client::new(&data, cli.url.as_deref()))
        }
        Command::Admin(Admin::ResetSecret) => offline::reset_secret(&data, cli.json),
        Command::StoreTorture(torture) => offline::torture(&torture),
        command => client::Client::new(&data, cli.url.as_deref())
            .and_then(|client| remote::run(&client, command, cli.json)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Refusal::No(why)) => {
            eprintln!("ringtrip: {why}");
            ExitCode::from(1)
        }
        Err(Refusal::Misuse(why)) => {
            eprintln!("ringtrip: {why}");
            ExitCode::from(2)
        }
    }
}

/// The reader of our output may have read enough (`| head`). Then there is nothing more to say, and nothing has failed.
fn end_with_the_reader() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(0);
        }
        others(info);
    }));
}

/// Why a command came to nothing.
#[derive(Debug)]
enum Refusal {
    /// The answer is no.
    No(String),
    /// It was asked wrongly.
    Misuse(String),
}

/// `true`: yes. `false`: the answer, already printed, is no.
type Outcome = Result<bool, Refusal>;

fn start(options: Serve, data: PathBuf, serve: impl FnOnce(ServeOptions) -> anyhow::Result<()>) -> Outcome {
    if let Some(log) = options.log {
        crate::logging::init(log).map_err(|e| Refusal::Misuse(e.to_string()))?;
    }
    let region = match options.region {
        RegionWord::Us => Region::Us,
        RegionWord::Uk => Region::Uk,
    };
    let options = ServeOptions {
        data,
        config: options.config,
        region,
        developer: options.developer,
        log: options.log,
        drivers: options.drivers,
        linehost: options.linehost,
        #[cfg(feature = "plugins")]
        wasmc: options.wasmc,
        http: options.http,
        sip: options.sip,
        once: options.once,
    };
    serve(options).map(|()| true).map_err(|e| Refusal::No(format!("{e:#}")))
}

fn print_json(value: &impl serde::Serialize) {
    println!("{}", serde_json::to_string(value).unwrap_or_default());
}

/// Prints rows in columns as wide as they need to be.
fn print_table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells.iter().zip(&widths).map(|(c, w)| format!("{c:w$}", w = *w)).collect();
        println!("{}", cells.join("  ").trim_end());
    };
    line(head.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}
