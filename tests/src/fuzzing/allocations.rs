//! How much memory a thread takes, counted where it is taken.
#![expect(unsafe_code, reason = "the trait of an allocator is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// More than a thread that is counted gets at once: the process ends instead, and the machine goes on.
const MOST_BYTES: usize = 4 << 30;

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
    /// Below 0 where what was taken before is given back.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The most bytes that this thread holds at once while it runs this, beside those that it held before.
pub(super) fn peak_of<T>(run: impl FnOnce() -> T) -> (T, usize) {
    HELD.set(0);
    PEAK.set(0);
    IS_COUNTED.set(true);
    let done = run();
    IS_COUNTED.set(false);
    (done, PEAK.get().unsigned_abs())
}

fn note(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

fn is_too_much(bytes: usize) -> bool {
    bytes > MOST_BYTES && IS_COUNTED.get()
}

struct Counting;

#[global_allocator]
static MEMORY: Counting = Counting;

// SAFETY: each call goes to the system's allocator with the arguments that it came with, or gives null, which is the
// answer where there is no memory. What is counted lies in cells of the thread that need no memory and are never dropped.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps to what the trait asks for, which is what the system's allocator asks for.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_too_much(layout.size()) {
            return std::ptr::null_mut();
        }
        note(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as of `alloc`.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_too_much(layout.size()) {
            return std::ptr::null_mut();
        }
        note(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    // SAFETY: as of `alloc`.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: it came from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    // SAFETY: as of `alloc`.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if is_too_much(bytes) {
            return std::ptr::null_mut();
        }
        note(bytes as isize - layout.size() as isize);
        // SAFETY: it came from the system's allocator, with this layout.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
