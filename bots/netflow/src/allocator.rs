//! How the C library keeps free memory.

/// Tells the C library to keep its free memory in two places instead of eight for each core. Every thread that runs what
/// is due takes and frees tens of megabytes once a minute; each in a place of its own, that memory is never given back.
/// What receives flows takes none while it works, so that nobody waits for the other.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_memory_together() {
    const PLACES: i32 = 2;
    // SAFETY: it takes two numbers and sets one of the allocator's own; a refusal changes nothing. It is called before
    // there are other threads.
    #[allow(
        unsafe_code,
        reason = "the C library has no other way to be told, but a variable of the environment"
    )]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, PLACES);
    }
}

/// Other C libraries have one place anyway.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub const fn keep_memory_together() {}
