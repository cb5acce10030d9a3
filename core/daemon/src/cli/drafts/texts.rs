//! The texts of a draft: its document and scripts.

use std::path::Path;

use serde_json::Value;

use super::{at_revision, path, revision};
use crate::cli::client::{Client, quoted};
use crate::cli::remote::text_of;
use crate::cli::{Outcome, Refusal};

/// Replaces the document or a script.
pub(super) fn put(client: &Client, name: &str, file: &Path, json: bool) -> Outcome {
    let text = text_of(file)?;
    put_from(client, name, script_of(file)?.as_deref(), &text, &revision(client, name)?, json)
}

/// `None` for a document, the name for a script.
fn script_of(file: &Path) -> Result<Option<String>, Refusal> {
    match file.extension().and_then(|e| e.to_str()) {
        Some("toml") if file.to_string_lossy().ends_with(".test.toml") => Err(Refusal::Misuse(format!(
            "{} has the tests of a script; they lie beside the script's own file, not in a draft",
            file.display()
        ))),
        Some("toml") => Ok(None),
        Some("rhai") => Ok(file.file_name().and_then(|n| n.to_str()).map(str::to_owned)),
        _ => Err(Refusal::Misuse(format!(
            "unknown file type {}: expected a document (.toml), script (.rhai), price list (.csv) or plugin (.rtp)",
            file.display()
        ))),
    }
}

fn put_from(
    client: &Client,
    name: &str,
    script: Option<&str>,
    text: &str,
    revision: &str,
    json: bool,
) -> Outcome {
    let part = script.map_or_else(|| "config".to_owned(), |s| format!("scripts/{}", quoted(s)));
    let draft: Value = client.put(&format!("{}/{part}", path(name)), revision, text)?;
    at_revision(&draft, name, json)
}

/// Changes one of them in $EDITOR.
pub(super) fn edit(client: &Client, name: &str, script: Option<&str>, json: bool) -> Outcome {
    let draft: Value = client.get(&format!("{}?secrets=true", path(name)))?;
    let before = text_in(&draft, script)?;
    let file = std::env::temp_dir().join(format!(
        "ringtrip-{}-{}",
        std::process::id(),
        script.unwrap_or("draft.toml")
    ));
    let failed = |e: std::io::Error| Refusal::No(format!("{}: {e}", file.display()));
    write_private(&file, &before).map_err(failed)?;
    let editor = std::env::var("EDITOR").unwrap_or_else(|_| "vi".to_owned());
    let mut words = editor.split_whitespace();
    let run = std::process::Command::new(words.next().unwrap_or("vi")).args(words).arg(&file).status();
    let after = std::fs::read_to_string(&file);
    let _ = std::fs::remove_file(&file);
    match run {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Refusal::No(format!("{editor} ended with {status}; the draft stays as it was")));
        }
        Err(e) => return Err(Refusal::No(format!("{editor}: {e}; set EDITOR"))),
    }
    let after = after.map_err(failed)?;
    if after == before {
        println!("nothing was changed");
        return Ok(true);
    }
    put_from(client, name, script, &after, &format!("\"{}\"", draft["revision"]), json)
}

/// A document has passwords in it.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    open.write_all(text.as_bytes())
}

/// The document, or a script of it.
pub(super) fn text_in(draft: &Value, script: Option<&str>) -> Result<String, Refusal> {
    let text = match script {
        None => draft["config"].as_str(),
        Some(name) => draft["script_texts"][name].as_str(),
    };
    text.map(str::to_owned)
        .ok_or_else(|| Refusal::No(format!("the draft has no script {}", script.unwrap_or(""))))
}
