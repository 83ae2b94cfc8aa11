//! Calls for the same result that come while it is being made: one makes it, the others wait for it.
//!
//! The right to make it is a permit. Whoever loses it without a result, because its caller cancelled or is gone, hands it to
//! the next that waits; whoever has a result leaves it there and closes the queue, which wakes all at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use toolcell_core::{CallId, Failure, Kind, Limit, Limits, Recovery, Tenant, ToolCall, UnixMillis};

use super::key::Key;
use super::shelf::Made;
use crate::plan::Criticality;

/// What calls must have in common to share more than a result: as much patience and as many attempts, so that the failure
/// of one is the failure that the other would have had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Course {
    pub(super) tenant: Tenant,
    pub(super) key: Key,
    pub(super) timeout: Option<Duration>,
    pub(super) criticality: Criticality,
}

#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Course, (Arc<Flight>, usize)>>);

pub(super) struct Flight {
    turn: Semaphore,
    landed: OnceLock<Landed>,
}

/// How the call ended that was made for all.
#[derive(Clone)]
pub(super) enum Landed {
    Made(Arc<Made>),
    Failed(Arc<Fell>),
}

/// A failure, and how far its call could have gone.
pub(super) struct Fell {
    pub(super) failure: Box<Failure>,
    pub(super) call: CallId,
    reach: Reach,
}

/// What a caller gave its call.
struct Reach {
    deadline: Option<UnixMillis>,
    budget: Option<Limits>,
}

impl Reach {
    fn of(call: &ToolCall) -> Self {
        Self { deadline: call.deadline, budget: call.budget.clone() }
    }

    fn limit(&self, limit: Limit) -> u64 {
        self.budget.as_ref().map_or(limit.row().ceiling, |budget| budget.get(limit))
    }

    fn until(&self) -> u64 {
        self.deadline.map_or(u64::MAX, |deadline| deadline.0)
    }
}

impl Fell {
    pub(super) fn new(failure: Box<Failure>, call: &ToolCall) -> Self {
        Self { failure, call: call.id, reach: Reach::of(call) }
    }

    /// Whether it would have been the failure of this call too. A ceiling that this one does not have says nothing to it.
    pub(super) fn speaks_for(&self, call: &ToolCall) -> bool {
        let own = Reach::of(call);
        match self.failure.kind {
            Kind::Limit(limit) => self.reach.limit(limit) >= own.limit(limit) && self.reach.until() >= own.until(),
            // Nobody tried on where the deadline was too near.
            _ => self.reach.until() >= own.until() || self.failure.recovery != Recovery::Retry,
        }
    }
}

/// A call's place in a flight. The flight is forgotten when its last place is given up.
pub(super) struct Seat<'a> {
    flights: &'a Flights,
    course: Course,
    flight: Arc<Flight>,
}

/// What waiting came to.
pub(super) enum Part<'a> {
    /// This call makes the result, as long as it holds the permit.
    Leads(SemaphorePermit<'a>),
    /// Another has made it.
    Shares(Landed),
}

impl Flights {
    pub(super) fn board(&self, course: Course) -> Seat<'_> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (flight, seats) = all
            .entry(course.clone())
            .or_insert_with(|| (Arc::new(Flight { turn: Semaphore::new(1), landed: OnceLock::new() }), 0));
        *seats += 1;
        let flight = flight.clone();
        drop(all);
        Seat { flights: self, course, flight }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Seat<'_> {
    /// Waits until this call leads or another has landed.
    pub(super) async fn wait(&self) -> Part<'_> {
        let permit = self.flight.turn.acquire().await;
        match self.flight.landed.get() {
            Some(landed) => Part::Shares(landed.clone()),
            None => Part::Leads(permit.expect("a flight is closed only when it has landed")),
        }
    }

    /// Leaves the end for all who wait, and lets nobody board any more.
    pub(super) fn land(&self, landed: Landed) {
        let mut all = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&self.course).is_some_and(|(flight, _)| Arc::ptr_eq(flight, &self.flight)) {
            all.remove(&self.course);
        }
        drop(all);
        // Only who leads lands, and it does so once.
        let _ = self.flight.landed.set(landed);
        self.flight.turn.close();
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut all = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((flight, seats)) = all.get_mut(&self.course)
            && Arc::ptr_eq(flight, &self.flight)
        {
            *seats -= 1;
            if *seats == 0 {
                all.remove(&self.course);
            }
        }
    }
}
