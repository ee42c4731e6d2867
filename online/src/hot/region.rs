//! Memory that is reserved once and taken from the system as it is touched: so a table grows without
//! moving anything, and an address is a base and a number. Huge pages where the system grants them.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// Bytes of a cache line, of a bucket, and of the smallest slot of an entry.
pub(super) const LINE: usize = 64;
/// Bytes of a huge page.
const HUGE: usize = 2 << 20;
/// Regions below this stay on small pages: one huge page would be most of them.
const LEAST_HUGE: usize = 4 * HUGE;

/// Zeroed lines at fixed addresses.
pub(super) struct Region {
    start: NonNull<u8>,
    layout: Layout,
    base: NonNull<u8>,
    lines: usize,
}

// SAFETY: a region owns its memory, and all access to it is through raw pointers, whose users say why
// they may.
unsafe impl Send for Region {}
// SAFETY: as above; the region itself is never changed.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves so many lines; none where the system has no such range.
    pub(super) fn reserve(lines: usize, huge_pages: bool) -> Option<Region> {
        let bytes = lines.checked_mul(LINE)?.max(LINE);
        let align = if huge_pages && bytes >= LEAST_HUGE { HUGE } else { LINE };
        // A layout of a small alignment comes zeroed from the system without being touched.
        let layout = Layout::from_size_align(bytes.checked_add(align)?, 16).ok()?;
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let skip = start.as_ptr().align_offset(align);
        // SAFETY: the layout has `align` bytes more than the lines take, and `skip` is less.
        let base = unsafe { start.add(skip) };
        if align == HUGE {
            advise_huge_pages(base, bytes);
        }
        Some(Region { start, layout, base, lines })
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Where a line begins. One beyond the end is the caller's mistake, and is the first instead.
    #[inline(always)]
    pub(super) fn line(&self, line: usize) -> NonNull<u8> {
        debug_assert!(line < self.lines);
        // SAFETY: the line lies in the region, which is one allocation.
        unsafe { self.base.add(line * LINE) }
    }

    /// Asks the processor for a line; any number is allowed.
    #[inline(always)]
    pub(super) fn prefetch(&self, line: usize) {
        prefetch(self.base.as_ptr().wrapping_add(line.wrapping_mul(LINE)));
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and nothing outlives the table that owns it.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// Asks the processor for the line at an address, which need not be valid.
#[inline(always)]
pub(super) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and cannot fault.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// A hint: where it is refused, pages stay small and answers the same.
fn advise_huge_pages(base: NonNull<u8>, bytes: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: the range was just allocated, begins on a page, and the advice changes no byte of it.
    unsafe {
        libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (base, bytes);
}
