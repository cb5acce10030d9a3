//! A key costs no allocation: dialling must not wait for the allocator, however busy the box is.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_dialplan::{Dialling, Matcher, Plan, Step, Timers, star};
use ringtrip_model::party::{Digits, Key};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a const-initialised thread-local
// without a destructor, which never allocates.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[track_caller]
#[allow(clippy::disallowed_methods)]
fn check(plan: Plan, keys: &str) {
    let now = Instant::now();
    let mut matcher = Matcher::new(Arc::new(plan), &Dialling::default(), Timers::default(), now);
    let keys: Vec<Key> = keys.chars().filter_map(Key::new).collect();
    let before = ALLOCATIONS.get();
    for (i, key) in keys.iter().enumerate() {
        let at = now + Duration::from_millis(500) * u32::try_from(i + 1).unwrap();
        assert!(matches!(matcher.timeout(at), Step::Collecting { .. }), "key {i}");
        assert!(matches!(matcher.key(at, *key), Step::Collecting { .. }), "key {i}");
        assert!(matcher.deadline().is_some());
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[test]
fn collecting_never_allocates() {
    let eight = "(<*:**473*>xx.|<0044:0>xx.<:@gw0>|<0033:18330033>xx.<:@gw0>|00xx.|<#1:>xx.<:@gw0>\
|<#2:>[*x][*x].|<#3:1833>xx.<:@gw0>|xx.<:@gw0>)";
    check(Plan::parse(eight).unwrap(), "00441480123123");
    let codes: Vec<Digits> = star::SPA3102.iter().map(|s| Digits::new(s.code)).collect();
    check(Plan::parse(eight).unwrap().with_star_codes(&codes), "*0171101234");
    // Far more states than are kept inline.
    let wide: Vec<String> = (0..140).map(|i| format!("00{i:03}xxxxxxx.")).collect();
    check(Plan::parse(&format!("({})", wide.join("|"))).unwrap(), "00129123456789");
    // Pauses on the way.
    check(Plan::parse("(1P1 2xx.|1xx.|9P3<:5>x)").unwrap(), "1234567");
}

#[test]
fn the_counter_counts() {
    let before = ALLOCATIONS.get();
    let text = String::from("an allocation");
    assert!(ALLOCATIONS.get() > before, "{text}");
}
