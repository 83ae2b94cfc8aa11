//! Lets calls of runs begin: within every bound, and in turn between runs.
//!
//! Owns who holds how much of what is bounded. A call begins when all that it needs a place in has one; it never holds one
//! place while it waits for another, so that nothing can wait in a circle. Refuses to know what a call is. It stands apart
//! because it is the only thing that runs share.
//!
//! Turns: each run counts the calls that it was given, and the run that was given least goes first; one that comes anew
//! begins behind the newest count, so that it can neither be starved nor make up for the time before it came. Waiting calls
//! stand in one queue for each run and tool, and only queues are ever compared: an event costs no more with a hundred
//! thousand waiting calls than with one.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use toolcell_core::Tenant;

/// How many calls may be under way at one time. A run's own bound stands in its plan. Zero counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of all runs.
    pub total: usize,
    /// Of one tenant.
    pub per_tenant: usize,
    /// Of one caller of a tenant: an agent.
    pub per_agent: usize,
    /// Of one tool, over all tenants.
    pub per_tool: usize,
}

impl Default for Bounds {
    /// What one machine with one host does well; the host has gates of its own behind these.
    fn default() -> Self {
        Self { total: 256, per_tenant: 128, per_agent: 64, per_tool: 64 }
    }
}

/// The gate that all runs of a scheduler share.
#[derive(Debug)]
pub(super) struct Gate {
    bounds: Bounds,
    state: Mutex<State>,
}

/// A run at the gate. Dropping it takes everything that waits for it away.
#[derive(Debug)]
pub(super) struct Member<T> {
    gate: Arc<Gate>,
    id: u64,
    rung: Arc<Notify>,
    names: [Name; 4],
    lines: HashMap<Arc<str>, u64>,
    waiting: HashMap<u64, VecDeque<T>>,
}

/// The right to make one call. Dropping it lets the next one begin.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Arc<Gate>,
    line: u64,
}

/// Something of which there are only so many places.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Total,
    Tenant(Tenant),
    Agent(Tenant, Arc<str>),
    Run(u64),
    Tool(Arc<str>),
}

#[derive(Debug, Default)]
struct State {
    members: HashMap<u64, Turns>,
    lines: HashMap<u64, Line>,
    places: HashMap<u64, Place>,
    names: HashMap<Name, u64>,
    /// Lines that may be able to go on, by turn.
    ready: BTreeSet<Turn>,
    /// The newest turn that was given.
    newest: u64,
    serial: u64,
}

/// When a line is to be looked at: by the calls that its run was given, then first come, first served.
type Turn = (u64, u64, u64);

#[derive(Debug)]
struct Turns {
    given: u64,
    granted: Vec<u64>,
    rung: Arc<Notify>,
}

/// The calls of one run for one tool.
#[derive(Debug)]
struct Line {
    member: u64,
    waiting: usize,
    held: usize,
    places: [u64; 5],
    at: At,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Idle,
    Ready { turn: Turn, from: Option<u64> },
    Parked { turn: Turn, place: u64 },
}

#[derive(Debug)]
struct Place {
    name: Name,
    size: usize,
    taken: usize,
    lines: usize,
    parked: BTreeSet<Turn>,
}

impl Gate {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, state: Mutex::default() })
    }

    /// A run comes to the gate.
    pub(super) fn join<T>(self: &Arc<Self>, tenant: &Tenant, agent: &str, concurrency: usize) -> Member<T> {
        let rung = Arc::new(Notify::new());
        let mut state = self.lock();
        let id = state.next();
        let turns = Turns { given: 0, granted: Vec::new(), rung: rung.clone() };
        state.members.insert(id, turns);
        let names =
            [Name::Total, Name::Tenant(tenant.clone()), Name::Agent(tenant.clone(), agent.into()), Name::Run(id)];
        let sizes = [self.bounds.total, self.bounds.per_tenant, self.bounds.per_agent, concurrency];
        for (name, size) in names.iter().zip(sizes) {
            let place = state.place(name, size);
            state.hold(place);
        }
        drop(state);
        Member { gate: self.clone(), id, rung, names, lines: HashMap::new(), waiting: HashMap::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many names the gate remembers; none of them once nobody is at it.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        let state = self.lock();
        state.names.len() + state.places.len() + state.lines.len() + state.members.len()
    }
}

impl<T> Member<T> {
    /// Puts a call of a tool into its line.
    pub(super) fn ask(&mut self, tool: &Arc<str>, what: T) {
        let mut state = self.gate.lock();
        let line = *self.lines.entry(tool.clone()).or_insert_with(|| {
            let names = self.names.iter().cloned().chain([Name::Tool(tool.clone())]);
            let places: Vec<u64> = names.map(|name| state.place(&name, self.gate.bounds.per_tool)).collect();
            let places: [u64; 5] = places.try_into().expect("four names and the tool's are five");
            for place in places {
                state.hold(place);
            }
            let id = state.next();
            state.lines.insert(id, Line { member: self.id, waiting: 0, held: 0, places, at: At::Idle });
            id
        });
        self.waiting.entry(line).or_default().push_back(what);
        state.came(line);
        state.pump();
    }

    /// The calls that may begin now, in the order in which they may.
    pub(super) fn granted(&mut self) -> Vec<(T, Permit)> {
        let granted = {
            let mut state = self.gate.lock();
            let turns = state.members.get_mut(&self.id).expect("a member is known until it is dropped");
            std::mem::take(&mut turns.granted)
        };
        let permit = |line| Permit { gate: self.gate.clone(), line };
        let waiting = &mut self.waiting;
        granted.into_iter().filter_map(|line| Some((waiting.get_mut(&line)?.pop_front()?, permit(line)))).collect()
    }

    /// Comes back when there may be calls that can begin.
    pub(super) fn rung(&self) -> Arc<Notify> {
        self.rung.clone()
    }

    /// Whether nothing of the run waits here.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.values().all(VecDeque::is_empty)
    }

    /// Takes everything that waits away.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.gate.lock().clear(self.id, self.lines.values().copied());
    }
}

impl<T> Drop for Member<T> {
    fn drop(&mut self) {
        self.clear();
        let mut state = self.gate.lock();
        state.members.remove(&self.id);
        for line in self.lines.values() {
            state.forget(*line);
        }
        for name in &self.names {
            if let Some(place) = state.names.get(name).copied() {
                state.let_go(place);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.release(self.line);
        state.pump();
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn place(&mut self, name: &Name, size: usize) -> u64 {
        if let Some(place) = self.names.get(name) {
            return *place;
        }
        let id = self.next();
        let place = Place { name: name.clone(), size: size.max(1), taken: 0, lines: 0, parked: BTreeSet::new() };
        self.places.insert(id, place);
        self.names.insert(name.clone(), id);
        id
    }

    fn at(&mut self, place: u64) -> &mut Place {
        self.places.get_mut(&place).expect("a place is known as long as a line or member names it")
    }

    fn hold(&mut self, place: u64) {
        self.at(place).lines += 1;
    }

    fn let_go(&mut self, place: u64) {
        let found = self.at(place);
        found.lines -= 1;
        if found.lines == 0 {
            let name = found.name.clone();
            self.places.remove(&place);
            self.names.remove(&name);
        }
    }

    fn line(&mut self, line: u64) -> &mut Line {
        self.lines.get_mut(&line).expect("a line is known as long as its run is here or a call of it is under way")
    }

    /// One more call waits in a line.
    fn came(&mut self, line: u64) {
        let newest = self.newest;
        let found = self.line(line);
        found.waiting += 1;
        if let At::Idle = found.at {
            let member = found.member;
            let turns = self.members.get_mut(&member).expect("only a member asks");
            turns.given = turns.given.max(newest + 1);
            self.line_up(line, None);
        }
    }

    fn line_up(&mut self, line: u64, from: Option<u64>) {
        let member = self.line(line).member;
        let given = self.members.get(&member).map_or(0, |turns| turns.given);
        let turn = (given, self.next(), line);
        self.line(line).at = At::Ready { turn, from };
        self.ready.insert(turn);
    }

    /// Lets begin whatever can.
    fn pump(&mut self) {
        while let Some(turn) = self.ready.pop_first() {
            let line = turn.2;
            let found = self.line(line);
            let At::Ready { from, .. } = found.at else { unreachable!("a line in `ready` is marked so") };
            let (member, places) = (found.member, found.places);
            let given = self.members.get(&member).map_or(0, |turns| turns.given);
            if given > turn.0 {
                // Its run was given calls of other tools meanwhile.
                self.line_up(line, from);
                continue;
            }
            let full = places.into_iter().find(|place| self.places[place].taken >= self.places[place].size);
            if let Some(place) = full {
                self.at(place).parked.insert(turn);
                self.line(line).at = At::Parked { turn, place };
                // The place that woke it is still free: the next one that waits for that is looked at.
                if let Some(from) = from.filter(|from| *from != place) {
                    self.wake(from);
                }
                continue;
            }
            for place in places {
                self.at(place).taken += 1;
            }
            self.newest = self.newest.max(turn.0);
            let found = self.line(line);
            found.waiting -= 1;
            found.held += 1;
            found.at = At::Idle;
            let more = found.waiting > 0;
            let turns = self.members.get_mut(&member).expect("a line that waits has its run here");
            turns.given += 1;
            turns.granted.push(line);
            turns.rung.notify_one();
            if more {
                self.line_up(line, None);
            }
        }
    }

    /// Lets the first of those that wait for a place try again, where there is room.
    fn wake(&mut self, place: u64) {
        while let Some(found) = self.places.get_mut(&place) {
            if found.taken >= found.size {
                return;
            }
            let Some(turn) = found.parked.pop_first() else { return };
            let line = turn.2;
            let member = self.line(line).member;
            let given = self.members.get(&member).map_or(0, |turns| turns.given);
            if given <= turn.0 {
                self.line_up(line, Some(place));
                return;
            }
            // Its run was given calls of other tools since it was parked: its turn comes later.
            let turn = (given, self.next(), line);
            self.line(line).at = At::Parked { turn, place };
            self.at(place).parked.insert(turn);
        }
    }

    /// A call of a line is over.
    fn release(&mut self, line: u64) {
        let places = self.line(line).places;
        self.line(line).held -= 1;
        for place in places {
            self.at(place).taken -= 1;
            self.wake(place);
        }
        let member = self.line(line).member;
        if !self.members.contains_key(&member) {
            self.forget(line);
        }
    }

    fn clear(&mut self, member: u64, lines: impl Iterator<Item = u64>) {
        for line in lines {
            let found = self.line(line);
            found.waiting = 0;
            match std::mem::replace(&mut found.at, At::Idle) {
                At::Idle => {}
                At::Ready { turn, .. } => drop(self.ready.remove(&turn)),
                At::Parked { turn, place } => drop(self.at(place).parked.remove(&turn)),
            }
        }
        let granted = self.members.get_mut(&member).map(|turns| std::mem::take(&mut turns.granted));
        for line in granted.unwrap_or_default() {
            self.release(line);
        }
        self.pump();
    }

    /// Forgets a line whose run is gone, once no call of it is under way.
    fn forget(&mut self, line: u64) {
        if self.line(line).held == 0 {
            let places = self.line(line).places;
            self.lines.remove(&line);
            for place in places {
                self.let_go(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a call waits although everything that it needs a place in has one.
    fn sleeps(gate: &Gate) -> bool {
        let state = gate.lock();
        assert!(state.places.values().all(|place| place.taken <= place.size), "no bound is exceeded");
        let free = |place: &u64| state.places[place].taken < state.places[place].size;
        state.lines.values().any(|line| line.waiting > 0 && line.places.iter().all(free))
    }

    proptest! {
        #[test]
        fn no_call_waits_that_could_begin_and_none_is_lost(
            (total, per_tenant, per_agent, per_tool) in (1..5_usize, 1..4_usize, 1..4_usize, 1..3_usize),
            widths in prop::collection::vec(1..4_usize, 1..8),
            steps in prop::collection::vec((0..5_u8, any::<prop::sample::Index>(), 0..3_usize), 1..200),
        ) {
            let gate = Gate::new(Bounds { total, per_tenant, per_agent, per_tool });
            let tools: Vec<Arc<str>> = ["t", "u", "v"].map(Arc::from).to_vec();
            let join = |(n, width): (usize, &usize)| {
                let tenant = Tenant(["a", "b"][n % 2].into());
                (gate.join::<usize>(&tenant, ["x", "y"][n / 2 % 2], *width), 0)
            };
            let mut members: Vec<_> = widths.iter().enumerate().map(join).collect();
            let mut held = Vec::new();
            for (n, (what, which, tool)) in steps.into_iter().enumerate() {
                match what {
                    0..2 if !members.is_empty() => {
                        let (member, waiting) = which.get_mut(&mut members);
                        member.ask(&tools[tool], n);
                        *waiting += 1;
                    }
                    2 if !held.is_empty() => drop(held.swap_remove(which.index(held.len()))),
                    3 if tool == 0 && !members.is_empty() => {
                        let (member, waiting) = which.get_mut(&mut members);
                        member.clear();
                        *waiting = 0;
                    }
                    4 if tool == 0 && members.len() > 1 => drop(members.swap_remove(which.index(members.len()))),
                    _ => {}
                }
                for (member, waiting) in &mut members {
                    for (_, permit) in member.granted() {
                        *waiting -= 1;
                        held.push(permit);
                    }
                }
                prop_assert!(!sleeps(&gate));
            }
            // As long as calls come back, everything that waits gets its turn.
            while !held.is_empty() {
                held.clear();
                for (member, waiting) in &mut members {
                    for (_, permit) in member.granted() {
                        *waiting -= 1;
                        held.push(permit);
                    }
                }
            }
            prop_assert!(members.iter().all(|(member, waiting)| *waiting == 0 && member.is_empty()));
            drop(members);
            prop_assert_eq!(gate.remembered(), 0);
        }
    }

    #[test]
    fn runs_that_want_the_same_are_served_in_turn() {
        let gate = Gate::new(Bounds { total: 1, ..Bounds::default() });
        let (tool, other): (Arc<str>, Arc<str>) = ("t".into(), "u".into());
        let mut members: Vec<_> = (0..3).map(|n| gate.join(&Tenant::default(), &n.to_string(), 100)).collect();
        for (n, member) in members.iter_mut().enumerate() {
            for _ in 0..20 {
                member.ask(&tool, n);
                // Two tools are no second turn.
                if n == 0 {
                    member.ask(&other, n);
                }
            }
        }
        let mut served = [0_usize; 3];
        for _ in 0..45 {
            let granted: Vec<_> = members.iter_mut().flat_map(Member::granted).collect();
            assert_eq!(granted.len(), 1);
            served[granted[0].0] += 1;
            assert!(served.iter().max().expect("three") - served.iter().min().expect("three") <= 2, "{served:?}");
        }
    }
}
