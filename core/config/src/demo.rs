//! What a fresh start with the virtual board has: enough to lift a telephone and call another.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::country::Country;
use crate::{Config, Emergency, Extension, Fxo, Fxs, Line, LineKind, Numbering, Region, Secret};
use ringtrip_dialplan::{Plan, PlanError};
use ringtrip_model::ids::{BadName, BoardId, ExtId, LineId, PortRef};
use ringtrip_model::route::Target;

/// Generated passwords for the two SIP extensions of the demonstration, 201 and 202.
#[derive(Clone, PartialEq, Eq)]
pub struct DemoSecrets {
    /// Of 201.
    pub first: String,
    /// Of 202.
    pub second: String,
}

impl Config {
    /// Two telephones (101 on `fxs1`, 102 on `fxs2`), two landlines that ring both, SIP extensions 201 and 202,
    /// and a plan for the region: extensions directly, 9 for an outside line, national numbers to the landline.
    pub fn demo(region: Region, secrets: DemoSecrets) -> Config {
        // Names and plans are constants; the test `the_demonstration_has_no_problem` parses every one of them.
        match demo(region, secrets) {
            Ok(config) => config,
            Err(broken) => unreachable!("the demonstration's constants are well-formed: {broken}"),
        }
    }
}

fn demo(region: Region, secrets: DemoSecrets) -> Result<Config, Broken> {
    let board: BoardId = "virtual".parse()?;
    let line = |name: &str, port: u16, kind: LineKind| {
        let port = PortRef { board: board.clone(), port };
        Ok::<Line, BadName>(Line { id: name.parse()?, port, plan: None, script: None, kind })
    };
    let telephone = |number: &str, line: &str, name: &str| {
        let line = Some(line.parse::<LineId>()?);
        Ok::<Extension, BadName>(Extension { line, name: name.to_owned(), ..Extension::new(number.parse()?) })
    };
    let phone = |number: &str, password: String| {
        let secret = Some(Secret::Password(password));
        Ok::<Extension, BadName>(Extension { secret, ..Extension::new(number.parse()?) })
    };
    let both: Vec<Target> =
        vec![Target::Extension("101".parse::<ExtId>()?), Target::Extension("102".parse::<ExtId>()?)];
    let (plan, country) = match region {
        Region::Uk => (PLAN_UK, Country::GB),
        Region::Us => (PLAN_US, Country::US),
    };
    Ok(Config {
        region,
        extensions: vec![
            telephone("101", "fxs1", "Hall telephone")?,
            telephone("102", "fxs2", "Kitchen telephone")?,
            phone("201", secrets.first)?,
            phone("202", secrets.second)?,
        ],
        lines: vec![
            line("fxs1", 0, LineKind::Fxs(Fxs::of(region)))?,
            line("fxs2", 1, LineKind::Fxs(Fxs::of(region)))?,
            line("fxo1", 2, LineKind::Fxo(Fxo::of(region).ringing(both.clone())))?,
            line("fxo2", 3, LineKind::Fxo(Fxo::of(region).ringing(both)))?,
        ],
        plans: BTreeMap::from([("home".to_owned(), Arc::new(Plan::parse(plan)?))]),
        emergency: Emergency { country, ..Emergency::default() },
        numbering: Numbering::of(region),
        ..Config::default()
    })
}

/// Extensions 10x and 20x at once; 1 and more for BT's codes; local, national and international numbers, and
/// anything after 9, to the landline.
const PLAN_UK: &str = "(999S0<:@gw0>|112S0<:@gw0>|[12]0xS0|1[1-9]xx.<:@gw0>|[3-8]xxxxxx.<:@gw0>\
|0[1-9]xxxxxxxx.<:@gw0>|00xxxxxx.<:@gw0>|<9,:>xx.<:@gw0>)";

/// Extensions 10x and 20x at once; service codes, local, national and international numbers, and anything after 9,
/// to the landline.
const PLAN_US: &str = "(911S0<:@gw0>|[12]0xS0|[2-8]11<:@gw0>|[3-8]xxxxxx<:@gw0>|1[2-9]xx[2-9]xxxxxxS0<:@gw0>\
|011xxxxx.<:@gw0>|<9,:>xx.<:@gw0>)";

/// A constant of this file is wrong.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Name(#[from] BadName),
    #[error(transparent)]
    Plan(#[from] PlanError),
}
