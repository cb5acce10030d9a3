use super::*;

/// A call must stay small: a thousand of them are nothing to a box with little memory.
#[test]
fn a_call_is_small() {
    let call = std::mem::size_of::<Call>();
    let leg = std::mem::size_of::<crate::leg::sip::SipLeg>();
    println!("call {call} octets, SIP leg {leg} octets");
    // What lies behind them is the INVITE (shared), SDP and short texts: a few kilobytes a leg.
    assert!(call <= 1_024, "{call}");
    assert!(leg <= 1_536, "{leg}");
}
