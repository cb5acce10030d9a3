//! A whole exchange in virtual time: the same machines that the daemon hosts, phones and providers around them, a
//! network that loses and reorders, and a ladder that writes down what was said. Same seed, same ladder.
//!
//! ```no_run
//! use ringtrip_testkit::World;
//! let mut world = World::demo(1);
//! world.phone("201").register();
//! world.run(1_000);
//! ```

pub mod analog;
mod audio;
pub mod events;
pub mod live;
mod media;
mod net;
pub mod netns;
pub mod peers;
mod phone;
pub mod publisher;
pub mod rtp;
pub mod sound;
pub mod ua;
mod world;

pub use net::NetworkConditions;
pub use phone::{Phone, PhoneBehaviour};
pub use world::{Wire, World};

/// Compares a ladder with the one in `tests/ladders/<name>.txt`; `UPDATE_EXPECT=1` writes it anew.
#[track_caller]
pub fn expect(name: &str, ladder: &str) {
    let path = format!("{}/../../tests/ladders/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, ladder).expect("the ladders folder can be written");
        return;
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        want == ladder,
        "{path} says\n{want}\nbut this happened:\n{ladder}\nIf that is right, run again with UPDATE_EXPECT=1."
    );
}
