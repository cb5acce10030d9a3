//! What changed between two documents, line by line (Myers 1986, greedy).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffLine {
    /// `" "` the same, `"-"` only in the old, `"+"` only in the new.
    pub op: char,
    /// The line.
    pub text: String,
}

/// Edits looked for before the rest is shown as wholly replaced: keeps the work bounded.
const MOST: usize = 2000;

/// Compares two documents.
pub fn diff(old: &str, new: &str) -> Vec<DiffLine> {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a_rest, b_rest) = (&a[head..], &b[head..]);
    let tail = a_rest.iter().rev().zip(b_rest.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a_mid, b_mid) = (&a_rest[..a_rest.len() - tail], &b_rest[..b_rest.len() - tail]);
    let line = |op: char, text: &&str| DiffLine { op, text: (*text).to_owned() };
    let mut out: Vec<DiffLine> = a[..head].iter().map(|t| line(' ', t)).collect();
    out.extend(middle(a_mid, b_mid).into_iter().map(|(op, text)| line(op, &text)));
    out.extend(a_rest[a_rest.len() - tail..].iter().map(|t| line(' ', t)));
    out
}

/// `3 lines added, 1 removed`.
pub fn summary(lines: &[DiffLine]) -> String {
    let count = |op| lines.iter().filter(|l| l.op == op).count();
    match (count('+'), count('-')) {
        (0, 0) => "nothing changed".to_owned(),
        (added, removed) => format!("{added} lines added, {removed} removed"),
    }
}

fn middle<'t>(a: &[&'t str], b: &[&'t str]) -> Vec<(char, &'t str)> {
    let (n, m) = (a.len() as isize, b.len() as isize);
    let offset = MOST as isize + 1;
    let mut furthest = vec![0isize; 2 * MOST + 3];
    let mut trace: Vec<Vec<isize>> = Vec::new();
    for d in 0..=(MOST as isize).min(n + m) {
        let span = ((offset - d - 1).max(0) as usize)..((offset + d + 2) as usize);
        trace.push(furthest[span].to_vec());
        for k in (-d..=d).step_by(2) {
            let at = (k + offset) as usize;
            let down = k == -d || (k != d && furthest[at - 1] < furthest[at + 1]);
            let mut x = if down { furthest[at + 1] } else { furthest[at - 1] + 1 };
            let mut y = x - k;
            while x < n && y < m && a[x as usize] == b[y as usize] {
                x += 1;
                y += 1;
            }
            furthest[at] = x;
            if x >= n && y >= m {
                return walk_back(a, b, &trace);
            }
        }
    }
    a.iter().map(|t| ('-', *t)).chain(b.iter().map(|t| ('+', *t))).collect()
}

fn walk_back<'t>(a: &[&'t str], b: &[&'t str], trace: &[Vec<isize>]) -> Vec<(char, &'t str)> {
    let (mut x, mut y) = (a.len() as isize, b.len() as isize);
    let mut out = Vec::new();
    for (d, row) in trace.iter().enumerate().rev() {
        let d = d as isize;
        // Row d was saved from diagonal -(d+1) on.
        let get = |k: isize| row[(k + d + 1) as usize];
        let k = x - y;
        let before = if k == -d || (k != d && get(k - 1) < get(k + 1)) { k + 1 } else { k - 1 };
        let (x0, y0) = if d == 0 { (0, 0) } else { (get(before), get(before) - before) };
        while x > x0.max(0) && y > y0.max(0) && a[(x - 1) as usize] == b[(y - 1) as usize] {
            out.push((' ', a[(x - 1) as usize]));
            x -= 1;
            y -= 1;
        }
        if d > 0 {
            if x > x0 {
                out.push(('-', a[(x - 1) as usize]));
            } else if y > y0 {
                out.push(('+', b[(y - 1) as usize]));
            }
            (x, y) = (x0, y0);
        }
    }
    out.reverse();
    out
}
