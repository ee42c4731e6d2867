//! A file that is cut short while it is mapped: whoever reads a page that is gone gets a page of zeros, which
//! LMDB and the seals of rows refuse, and the process goes on. The same page is written to where SQLite maps the index
//! of the registry's log, which is opened again once it is found cut.

use std::sync::Once;

/// Lets this process survive that. The first opening of a store does so.
#[expect(unsafe_code, reason = "a signal can only be answered by a handler of C's kind")]
pub(super) fn survive() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the action is zeroed where it is not set, which is valid for it; the handler calls only
        // what may be called in a signal handler.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_bus_error as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        }
    });
}

/// Puts a page of zeros where there is none. Anything else ends the process as it would have.
#[expect(unsafe_code, reason = "a signal can only be answered by a handler of C's kind")]
extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system gives a valid `info`. A mapped page whose file is gone is replaced by one of this
    // process alone: nothing that can be read changes, and what is written into it is lost with the file.
    unsafe {
        let page_bytes = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let page = ((*info).si_addr() as usize) & !(page_bytes - 1);
        let is_gone = (*info).si_code == libc::BUS_ADRERR;
        if is_gone
            && libc::mmap(
                page as *mut libc::c_void,
                page_bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            ) != libc::MAP_FAILED
        {
            return;
        }
        libc::signal(signal, libc::SIG_DFL);
    }
}
