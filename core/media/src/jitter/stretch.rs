//! Leaves out or repeats one pitch period: where sound looks like itself a period earlier, one melts into the other and
//! nothing is heard of it (overlap-add by waveform similarity).

/// Shortest and longest period, samples: 67–200 Hz.
const SHORTEST: usize = 40;
/// See `SHORTEST`.
pub(super) const LONGEST: usize = 120;
/// Samples in which one melts into the other: 10 ms.
pub(super) const MELT: usize = 80;
/// Sound below this mean square is silence: −55 dBm0. There any place is as good as another.
const SILENT: f32 = 900.0;

/// Leaves out a period of at most `most` samples. `line` has [`MELT`] and [`LONGEST`] samples; [`MELT`] samples come out.
/// Answers the period; `None` where no period matches so well.
pub(super) fn shorten(line: &[i16], most: usize, least_alike: f32, out: &mut [i16]) -> Option<usize> {
    let by = best(least_alike, SHORTEST..=LONGEST.min(most), |by| (&line[..MELT], &line[by..by + MELT]))?;
    melt(&line[..MELT], &line[by..by + MELT], out);
    Some(by)
}

/// Repeats a period. `line` has [`LONGEST`] samples that were played last and [`MELT`] that come next; [`MELT`] samples and
/// the period come out.
pub(super) fn lengthen(line: &[i16], least_alike: f32, out: &mut [i16]) -> Option<usize> {
    let coming = &line[LONGEST..LONGEST + MELT];
    let earlier = |by: usize| &line[LONGEST - by..LONGEST - by + MELT];
    let by = best(least_alike, SHORTEST..=LONGEST, |by| (coming, earlier(by)))?;
    let (begin, rest) = out.split_at_mut(MELT);
    melt(coming, earlier(by), begin);
    rest[..by].copy_from_slice(&line[LONGEST + MELT - by..]);
    Some(by)
}

/// The period by which these two look most alike; the shorter of two that are as good.
fn best<'a>(
    least_alike: f32,
    periods: std::ops::RangeInclusive<usize>,
    pair: impl Fn(usize) -> (&'a [i16], &'a [i16]),
) -> Option<usize> {
    let mut found: Option<(usize, f32)> = None;
    for by in periods {
        let (a, b) = pair(by);
        let (mut product, mut power_a, mut power_b) = (0f32, 0f32, 0f32);
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (f32::from(*a), f32::from(*b));
            product += a * b;
            power_a += a * a;
            power_b += b * b;
        }
        if power_a.max(power_b) < SILENT * MELT as f32 {
            return Some(by);
        }
        // Sounds of one shape and two loudnesses do not match either.
        let alike = 2.0 * product / (power_a + power_b);
        if found.is_none_or(|(_, best)| alike > best + 1e-4) {
            found = Some((by, alike));
        }
    }
    found.filter(|(_, alike)| *alike >= least_alike).map(|(by, _)| by)
}

fn melt(from: &[i16], to: &[i16], out: &mut [i16]) {
    let n = out.len() as i32 + 1;
    for (k, (o, (a, b))) in (1..).zip(out.iter_mut().zip(from.iter().zip(to))) {
        let (a, b) = (i32::from(*a), i32::from(*b));
        *o = (a + (b - a) * k / n) as i16;
    }
}
