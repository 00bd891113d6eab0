//! Runs a scenario, and takes a panic of the engine for what it is: a fault that was found.

use crate::arena::Room;
use crate::scenario::Scenario;
use crate::tally::Tally;
use crate::trace::Trace;
use crate::violation::Violation;
use crate::world::World;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

thread_local! {
    /// What the last panic of this thread said.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs scenarios, one after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Runner {
    /// Memory for the peers.
    rooms: Vec<Room>,
}

impl Runner {
    /// Memory for the peers that start in a scenario.
    pub fn rooms(&mut self, scenario: &Scenario) -> &mut [Room] {
        while self.rooms.len() < scenario.starts() {
            self.rooms.push(Room::new(scenario.slots));
        }
        self.rooms.iter_mut().for_each(|room| room.fit(scenario.slots));
        &mut self.rooms
    }
}

/// From here on a panic is remembered instead of printed.
pub fn catch_panics() {
    set_hook(Box::new(|info| PANIC.with_borrow_mut(|words| *words = info.to_string())));
}

/// Runs a scenario.
///
/// # Errors
/// The first rule that was broken.
pub fn run(runner: &mut Runner, scenario: &Scenario, traced: bool) -> Result<Tally, Violation> {
    let trace = if traced { Trace::ON } else { Trace::OFF };
    let mut world = World::new(scenario, runner.rooms(scenario), trace);
    let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
    let at_ms = world.now_ms;
    ran.unwrap_or_else(|_| Err(Violation { rule: "panic", at_ms, words: PANIC.with_borrow(Clone::clone) }))
}
