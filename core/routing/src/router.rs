//! The route machine: where should this call go? Answered once, with the whole plan.
//!
//! In this order, and no other: emergency on the digits as dialled; the dial plan, or for a call from outside the
//! configured target; emergency on what the plan made of the digits; the policy script, asked by post and answered as
//! data; emergency on what the script made of them. A script that is late, wrong or dead leaves the plan's own route.
//!
//! Nothing here waits: [`Router::before_policy`] either ends or hands out the question, and [`Router::after_policy`]
//! takes the answer. The shell holds the deadline.

mod facts;
mod fit;
mod machine;
mod merge;
mod pin;
mod plan;
mod policy;
mod prepare;
mod prices;

pub use facts::{Facts, GatewayState, Gateways, NoGateways};
pub use machine::{Router, RouterStep};
pub use policy::{
    CallerEdit, Cheapest, PolicyAnswer, PolicyCall, PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict,
};
pub use prepare::{Carrier, Preparation};
pub use prices::{NoPrices, Offer, Prices, RankQuery, Ranking, rank};
