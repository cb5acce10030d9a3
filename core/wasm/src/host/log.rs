//! `host`: the log and the settings.

use crate::bindings::host::{Host, Level};
use crate::guest::Guest;

/// Octets of a line.
const LONGEST: usize = 1024;

impl Host for Guest {
    fn log(&mut self, level: Level, text: String) -> wasmtime::Result<()> {
        self.check()?;
        let Some(last) = self.line() else { return Ok(()) };
        let plugin = self.context.name.as_str();
        let text = one_line(&text);
        match level {
            Level::Debug => tracing::debug!(plugin, "{text}"),
            Level::Info => tracing::info!(plugin, "{text}"),
            Level::Warn => tracing::warn!(plugin, "{text}"),
            Level::Error => tracing::error!(plugin, "{text}"),
        }
        if last {
            tracing::warn!(plugin, "it logs too much: what follows in this minute is dropped");
        }
        Ok(())
    }

    fn setting(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.check()?;
        Ok(self.context.settings.get(&key).cloned())
    }
}

/// Cut, and without anything that could forge a line of the log or drive a terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for c in text.chars() {
        if line.len() + c.len_utf8() > LONGEST {
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(one_line("a\r\nERROR forged\u{1b}[2J"), "a  ERROR forged [2J");
        assert_eq!(one_line(&"é".repeat(1000)).len(), 1024);
    }
}
