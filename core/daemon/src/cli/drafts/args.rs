//! `ringtrip draft`, as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Routes that are not active yet.
#[derive(Subcommand, Debug)]
pub(in crate::cli) enum Draft {
    /// Make a draft of what is active.
    New {
        /// Its name.
        name: String,
        /// Why.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// List the drafts.
    List,
    /// Print the draft's document, or one of its scripts.
    Show {
        /// Its name.
        name: String,
        /// A script of it, such as default.rhai.
        script: Option<String>,
        /// With passwords.
        #[arg(long)]
        secrets: bool,
    },
    /// Put a document (.toml), a script (.rhai), a price list (.csv) or a plugin (.rtp) into a draft.
    Put {
        /// Its name.
        name: String,
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        deck: Deck,
        #[cfg(feature = "plugins")]
        #[command(flatten)]
        confirm: crate::cli::plugin::Confirm,
    },
    /// Switch or set a plugin in a draft.
    #[cfg(feature = "plugins")]
    Set {
        /// Its name.
        name: String,
        /// The plugin.
        plugin: String,
        /// KEY=VALUE; KEY= alone takes one back to its default; KEY=@FILE reads the value from a file.
        settings: Vec<String>,
        /// Run it.
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Run it no longer.
        #[arg(long)]
        disable: bool,
    },
    /// Have a draft remove a rate deck or a plugin.
    Remove {
        /// Its name.
        name: String,
        #[command(flatten)]
        part: Part,
    },
    /// Have a draft leave a rate deck or a plugin as it is active.
    Forget {
        /// Its name.
        name: String,
        #[command(flatten)]
        part: Part,
    },
    /// Change the document or a script of a draft in $EDITOR.
    Edit {
        /// Its name.
        name: String,
        /// A script of it; the document if none is named.
        script: Option<String>,
    },
    /// What it changes against what is active.
    Diff {
        /// Its name.
        name: String,
    },
    /// Check all of it, and prove that calls still go where they must.
    Check {
        /// Its name.
        name: String,
    },
    /// Put the calls of the last days through it, in a dry run.
    Replay {
        /// Its name.
        name: String,
        /// How many days.
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
    /// Say that it was compared with what is active now and may replace it.
    Rebase {
        /// Its name.
        name: String,
    },
    /// Activate it.
    Activate {
        /// Its name.
        name: String,
    },
    /// Take it back: document, scripts, decks and plugins as they were.
    Undo {
        /// Its name.
        name: String,
    },
    /// Forget it.
    Discard {
        /// Its name.
        name: String,
        /// Though it is active, and can then not be undone.
        #[arg(long)]
        force: bool,
    },
    /// Let it decide about some calls; it is rolled back by itself when they go worse.
    Canary {
        /// Its name.
        name: String,
        /// All calls of this extension.
        #[arg(long)]
        extension: Option<String>,
        /// A share of calls: 10%.
        #[arg(long)]
        share: Option<String>,
        /// Calls of the last hours count.
        #[arg(long)]
        hours: Option<u32>,
        /// Calls needed on each side before anything is concluded.
        #[arg(long)]
        least: Option<u32>,
        /// End it.
        #[arg(long)]
        stop: bool,
    },
}

/// How a price list is read.
#[derive(Args, Debug)]
pub(in crate::cli) struct Deck {
    /// A price list: the deck's name; the file's if not given.
    #[arg(long)]
    pub deck: Option<String>,
    /// A price list: the gateway whose prices they are.
    #[arg(long, default_value = "")]
    pub gateway: String,
    /// A price list: the currency, where the file names none.
    #[arg(long)]
    pub currency: Option<String>,
    /// A price list: what a column is, by its heading or its number: price="New Rate", prefix=3.
    #[arg(long = "column", value_name = "WHAT=HEADING")]
    pub columns: Vec<String>,
    /// A price list: leave rows out that cannot be read, instead of refusing the file.
    #[arg(long)]
    pub skip_bad: bool,
}

/// A deck or a plugin.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Part {
    /// This rate deck.
    #[arg(long)]
    pub deck: Option<String>,
    /// This plugin.
    #[cfg(feature = "plugins")]
    #[arg(long)]
    pub plugin: Option<String>,
}
