//! Do lines fit the ports of the virtual board, where its settings say what they are? What other drivers make of their
//! settings only they know: their ports are looked at when the board comes up.

use ringtrip_config::{Board, Config, Problem, Severity};
use ringtrip_exchange::line::Fault;
use ringtrip_model::board::PortKind;
use serde_json::Value;

pub(super) fn misfits(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for line in &config.lines {
        let board = config.boards.iter().find(|b| b.id == line.port.board);
        let Some(ports) = board.and_then(ports) else { continue };
        let fault = match ports.get(usize::from(line.port.port)) {
            None => Fault::NoPort,
            Some(kind) if *kind != line.port_kind() => Fault::WrongKind(*kind),
            Some(_) => continue,
        };
        problems.push(Problem {
            severity: Severity::Error,
            path: format!("line.{}.port", line.id),
            what: fault.text(&line.id, &line.port, line.port_kind()),
            hint: format!("see `settings` of [board.{}]", line.port.board),
        });
    }
    problems
}

/// What the ports are, by the settings; `None` where they do not say.
fn ports(board: &Board) -> Option<Vec<PortKind>> {
    let is_virtual = board.driver == "virtual" || board.driver.ends_with("/libringtrip_driver_virtual.so");
    let settings: Value = serde_json::from_str(board.settings.as_deref().filter(|_| is_virtual)?).ok()?;
    if let Some(list) = settings.get("layout").and_then(Value::as_array).filter(|list| !list.is_empty()) {
        let kind = |v: &Value| match v.as_str()? {
            "fxs" => Some(PortKind::Fxs),
            "fxo" => Some(PortKind::Fxo),
            _ => None,
        };
        return list.iter().map(kind).collect();
    }
    // The driver's own defaults.
    let number = |key, default| match settings.get(key) {
        None => Some(default),
        Some(n) => n.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= 256),
    };
    let of = |kind, n| std::iter::repeat_n(kind, n);
    Some(of(PortKind::Fxs, number("fxs", 2)?).chain(of(PortKind::Fxo, number("fxo", 1)?)).collect())
}
