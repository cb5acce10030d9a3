//! The allocator of every program that runs other people's code: the system's own, with a count of what each thread holds.
//!
//! A script is stopped by what it uses, and the language's own limits count elements, not octets: a thousand map keys of
//! 4 KiB, or a value of ours in a list, are small to them. Only the allocator sees all of it. The count is a cell of the
//! thread: no atomics, no lock, a nanosecond an allocation.
//!
//! It is installed here, not in a `main`, so that no program can link the scripts and forget the count.
#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait: see the SAFETY of its one implementation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constant and without a destructor: touching it never allocates, also while a thread begins or ends.
    static HELD: Cell<i64> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

/// Octets that this thread has allocated, less those that it has freed. Negative when it frees what others allocated; only
/// differences between two moments on one thread mean something.
pub fn held() -> i64 {
    HELD.try_with(Cell::get).unwrap_or(0)
}

#[inline]
fn count(octets: i64) {
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(octets)));
}

/// A layout never has more than `isize::MAX` octets, so no size is changed by this.
#[inline]
#[allow(clippy::cast_possible_wrap)]
fn octets(size: usize) -> i64 {
    size as i64
}

// SAFETY: every call goes to the system's allocator with the arguments that it was made with, and its answer is returned
// as it is; the count beside it neither allocates nor panics. So each promise of `GlobalAlloc` is kept by `System`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(octets(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is this one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(octets(layout.size()));
        // SAFETY: as above, for `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-octets(layout.size()));
        // SAFETY: the caller's block came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(octets(size) - octets(layout.size()));
        // SAFETY: the caller's block came from `System` through this allocator, with this layout.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_counted_alone() {
        let before = held();
        let mut list: Vec<u8> = Vec::with_capacity(10_000);
        assert_eq!(held() - before, 10_000);
        list.reserve_exact(30_000);
        assert_eq!(held() - before, 30_000, "growing counts the difference");
        let here = held();
        let there = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let (began, block) = (held(), vec![0u8; 1 << 20]);
                let all = held() - began;
                drop(block);
                (all, held() - began)
            });
            other.join().expect("it only allocates")
        });
        assert_eq!(there, (1 << 20, 0));
        assert!(held() - here < 1 << 16, "what another thread holds is not ours: {}", held() - here);
        drop(list);
        assert!(held() - before < 1 << 16, "what is freed counts no more: {}", held() - before);
    }
}
