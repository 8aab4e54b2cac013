//! An evaluation allocates nothing: it happens for each row of each walk.
#![allow(unsafe_code, reason = "an allocator that counts is unsafe to write")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use grafolean_snmp_bot::Expression;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no counter any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_evaluation_allocates_nothing() {
    let deep = format!("{}$1{}", "$2 + (".repeat(60), ")".repeat(60));
    let texts = ["$1 / $2 * 100", "$1 > 5 ? round(log($1, 2), 2) : max($1, $2, 3) ^ 2", &deep];
    let expressions = texts.map(|text| Expression::compile(text, 2).unwrap());
    let before = ALLOCATIONS.get();
    assert!(before > 0, "nothing is counted");
    let sum: f64 = expressions.iter().filter_map(|expression| expression.eval(&[100.0, 8.0])).sum();
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(sum > 1_250.0);
}
