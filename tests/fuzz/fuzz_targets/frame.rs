//! However a stream is split, the same frames come out. The first octet says where.
#![no_main]
use ringtrip_sip::frame::{Frame, Framer};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some((cut, stream)) = octets.split_first() else { return };
    let now = std::time::Instant::now();
    let frames = |pieces: [&[u8]; 2]| -> Vec<Frame> {
        let mut framer = Framer::new(Default::default());
        pieces
            .iter()
            .flat_map(|p| {
                framer.push(now, p);
                std::iter::from_fn(|| framer.next(now)).collect::<Vec<_>>()
            })
            .collect()
    };
    let (head, tail) = stream.split_at(stream.len() * usize::from(*cut) / 256);
    assert_eq!(frames([stream, b""]), frames([head, tail]));
});
