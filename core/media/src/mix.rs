//! Adds sounds together, with saturation.

/// Adds `more` to `sum`, as far as both go.
pub fn add(sum: &mut [i16], more: &[i16]) {
    for (s, m) in sum.iter_mut().zip(more) {
        *s = s.saturating_add(*m);
    }
}

/// Sum of all but one: what each member of a conference hears. `total` is the sum of all in 32 bits.
pub fn without(total: &[i32], own: &[i16], out: &mut [i16]) {
    for ((o, t), s) in out.iter_mut().zip(total).zip(own) {
        *o = (t - *s as i32).clamp(i16::MIN as i32, i16::MAX as i32) as i16;
    }
}

/// Adds `more` to a total in 32 bits.
pub fn total(sum: &mut [i32], more: &[i16]) {
    for (s, m) in sum.iter_mut().zip(more) {
        *s = s.saturating_add(*m as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate() {
        let mut a = [30_000, -30_000, 5];
        add(&mut a, &[10_000, -10_000, 6]);
        assert_eq!(a, [i16::MAX, i16::MIN, 11]);
        let (mut sum, mut out) = ([0; 2], [0; 2]);
        for s in [[30_000, 1], [20_000, 2], [-25_000, 3]] {
            total(&mut sum, &s);
        }
        without(&sum, &[-25_000, 3], &mut out);
        assert_eq!(out, [i16::MAX, 3]);
        without(&sum, &[20_000, 2], &mut out);
        assert_eq!(out, [5_000, 4]);
    }
}
