//! One circuit: what is remembered of a tool's last calls, and whether the next may be made.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// When a tool is left alone, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Calls that are remembered of each tool, at most 1,000.
    pub window: usize,
    /// How long they are remembered.
    pub span: Duration,
    /// Calls that must be remembered before anything is concluded from them, at least 1.
    pub minimum: usize,
    /// The share of failures, in percent, from which on a tool is left alone.
    pub percent: u8,
    /// How long it is left alone at first; twice as long each time that a probe fails.
    pub cooldown: Duration,
    /// The longest that it is left alone.
    pub longest_cooldown: Duration,
    /// Probes that must succeed, one after the other, before it is used as ever, at least 1.
    pub probes: u32,
    /// What a caller is told to wait while a probe is under way.
    pub probe_wait: Duration,
    /// A time limit that is hit sooner than this says more of the caller than of the tool, and does not count.
    pub patience: Duration,
    /// Tools that are remembered, over all tenants; the one called least recently is forgotten first.
    pub tracked: usize,
}

/// The most calls that are remembered of one tool.
const MOST: usize = 1_000;

impl Default for Rules {
    fn default() -> Self {
        Self {
            window: 20,
            span: Duration::from_mins(1),
            minimum: 5,
            percent: 50,
            cooldown: Duration::from_secs(5),
            longest_cooldown: Duration::from_mins(2),
            probes: 1,
            probe_wait: Duration::from_secs(1),
            patience: Duration::from_secs(1),
            tracked: 10_000,
        }
    }
}

/// Whether a tool is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As ever.
    Closed,
    /// Not at all for now.
    Open,
    /// By one call at a time, to see how it is.
    HalfOpen,
}

/// What the end of a call says of its tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Good,
    Bad,
    None,
}

/// The right to make one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    probe: bool,
    /// The state that it was given in. What it finds out in a later one is old news.
    era: u64,
}

#[derive(Debug)]
pub(super) struct Circuit {
    last: VecDeque<(Instant, bool)>,
    bad: usize,
    now: Now,
    era: u64,
    /// How often it opened since it was last closed.
    opened: u32,
}

#[derive(Debug)]
enum Now {
    Closed,
    Open { until: Instant },
    HalfOpen { probing: bool, passed: u32 },
}

impl Circuit {
    pub(super) fn new() -> Self {
        Self { last: VecDeque::new(), bad: 0, now: Now::Closed, era: 0, opened: 0 }
    }

    /// Lets a call through, or says how long to wait.
    pub(super) fn admit(&mut self, rules: &Rules, now: Instant) -> Result<Pass, Duration> {
        if let Now::Open { until } = self.now {
            if now < until {
                return Err(until - now);
            }
            self.turn(Now::HalfOpen { probing: false, passed: 0 });
        }
        match &mut self.now {
            Now::HalfOpen { probing: true, .. } => Err(rules.probe_wait),
            Now::HalfOpen { probing, .. } => {
                *probing = true;
                Ok(Pass { probe: true, era: self.era })
            }
            _ => Ok(Pass { probe: false, era: self.era }),
        }
    }

    /// Takes in how a call ended.
    pub(super) fn report(&mut self, rules: &Rules, pass: Pass, sign: Sign, now: Instant) {
        if pass.era != self.era {
            return;
        }
        if let Now::HalfOpen { probing, passed } = &mut self.now {
            debug_assert!(pass.probe, "only probes are let through");
            *probing = false;
            match sign {
                Sign::None => {}
                Sign::Bad => self.open(rules, now),
                Sign::Good => {
                    *passed += 1;
                    if *passed >= rules.probes {
                        self.close();
                    }
                }
            }
        } else if sign != Sign::None {
            self.remember(rules, sign == Sign::Bad, now);
            if self.is_bad(rules) {
                self.open(rules, now);
            }
        }
    }

    fn remember(&mut self, rules: &Rules, bad: bool, now: Instant) {
        while self.last.len() >= rules.window.clamp(1, MOST) {
            self.forget();
        }
        self.last.push_back((now, bad));
        self.bad += usize::from(bad);
        while self.last.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > rules.span) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some((_, bad)) = self.last.pop_front() {
            self.bad -= usize::from(bad);
        }
    }

    fn is_bad(&self, rules: &Rules) -> bool {
        let (calls, percent) = (self.last.len(), usize::from(rules.percent.clamp(1, 100)));
        let minimum = rules.minimum.clamp(1, rules.window.clamp(1, MOST));
        calls >= minimum && self.bad * 100 >= calls * percent
    }

    fn open(&mut self, rules: &Rules, now: Instant) {
        let span = rules.cooldown.saturating_mul(1_u32.checked_shl(self.opened).unwrap_or(u32::MAX));
        self.opened = self.opened.saturating_add(1);
        let until = now.checked_add(span.min(rules.longest_cooldown)).unwrap_or(now);
        self.turn(Now::Open { until });
    }

    fn close(&mut self) {
        self.opened = 0;
        self.last.clear();
        self.bad = 0;
        self.turn(Now::Closed);
    }

    fn turn(&mut self, now: Now) {
        self.now = now;
        self.era += 1;
    }

    /// Calls remembered, and how many of them were bad.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.last.len(), self.bad)
    }

    /// Its state at a time, and how long it stays open.
    pub(super) fn state(&self, now: Instant) -> (State, Option<Duration>) {
        match self.now {
            Now::Closed => (State::Closed, None),
            Now::Open { until } if now < until => (State::Open, Some(until - now)),
            Now::Open { .. } | Now::HalfOpen { .. } => (State::HalfOpen, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules = Rules {
        window: 4,
        span: Duration::from_mins(1),
        minimum: 3,
        percent: 50,
        cooldown: Duration::from_secs(5),
        longest_cooldown: Duration::from_secs(15),
        probes: 2,
        probe_wait: Duration::from_secs(1),
        patience: Duration::ZERO,
        tracked: 10,
    };

    fn after(began: Instant, seconds: u64) -> Instant {
        began + Duration::from_secs(seconds)
    }

    fn end(circuit: &mut Circuit, sign: Sign, now: Instant) {
        let pass = circuit.admit(&RULES, now).expect("let through");
        circuit.report(&RULES, pass, sign, now);
    }

    #[test]
    fn it_opens_on_its_share_of_failures_and_not_before_its_minimum() {
        let (mut circuit, began) = (Circuit::new(), Instant::now());
        for sign in [Sign::Bad, Sign::None, Sign::Bad] {
            end(&mut circuit, sign, began);
        }
        assert_eq!(circuit.state(began).0, State::Closed);
        end(&mut circuit, Sign::Bad, began);
        assert_eq!(circuit.state(began), (State::Open, Some(Duration::from_secs(5))));
        assert_eq!(circuit.admit(&RULES, after(began, 2)), Err(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let (mut circuit, began) = (Circuit::new(), Instant::now());
        end(&mut circuit, Sign::Bad, began);
        end(&mut circuit, Sign::Bad, began);
        end(&mut circuit, Sign::Bad, after(began, 61));
        assert_eq!(circuit.state(after(began, 61)).0, State::Closed);
        assert_eq!(circuit.counts(), (1, 1));
    }

    #[test]
    fn probes_go_one_by_one_and_close_it_or_open_it_for_longer() {
        let (mut circuit, mut now) = (Circuit::new(), Instant::now());
        (0..3).for_each(|_| end(&mut circuit, Sign::Bad, now));
        for seconds in [5, 10, 15, 15] {
            now = after(now, seconds);
            let probe = circuit.admit(&RULES, now).expect("a probe");
            assert_eq!(circuit.admit(&RULES, now), Err(RULES.probe_wait), "one at a time");
            circuit.report(&RULES, probe, Sign::Bad, now);
            assert_eq!(circuit.state(now).0, State::Open);
        }
        now = after(now, 15);
        for (sign, state) in [(Sign::Good, State::HalfOpen), (Sign::None, State::HalfOpen), (Sign::Good, State::Closed)]
        {
            end(&mut circuit, sign, now);
            assert_eq!(circuit.state(now).0, state);
        }
        assert_eq!(circuit.counts(), (0, 0), "it begins anew");
    }

    #[test]
    fn a_call_from_before_it_opened_is_no_probe() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        let late = circuit.admit(&RULES, now).expect("closed");
        (0..3).for_each(|_| end(&mut circuit, Sign::Bad, now));
        let now = after(now, 5);
        let probe = circuit.admit(&RULES, now).expect("a probe");
        circuit.report(&RULES, late, Sign::Good, now);
        circuit.report(&RULES, late, Sign::Bad, now);
        assert_eq!(circuit.admit(&RULES, now), Err(RULES.probe_wait), "the probe is still under way");
        circuit.report(&RULES, probe, Sign::Good, now);
        assert_eq!(circuit.state(now).0, State::HalfOpen);
    }

    proptest! {
        #[test]
        fn whatever_happens_its_window_holds_and_at_most_one_probe_is_out(
            steps in prop::collection::vec((0_u8..4, 0_u64..20, 0_usize..6), 0..300),
        ) {
            let (mut circuit, mut now) = (Circuit::new(), Instant::now());
            let mut out: Vec<Pass> = Vec::new();
            for (what, seconds, place) in steps {
                now = after(now, seconds);
                if what == 0 || out.is_empty() {
                    out.extend(circuit.admit(&RULES, now).ok());
                } else {
                    let pass = out.swap_remove(place % out.len());
                    let sign = [Sign::Good, Sign::Bad, Sign::None][usize::from(what) - 1];
                    circuit.report(&RULES, pass, sign, now);
                }
                let probes = out.iter().filter(|pass| pass.probe && pass.era == circuit.era).count();
                prop_assert!(probes <= 1);
                let (calls, bad) = circuit.counts();
                prop_assert!(calls <= RULES.window && bad <= calls);
                prop_assert_eq!(bad, circuit.last.iter().filter(|call| call.1).count());
                if let (State::Open, left) = circuit.state(now) {
                    prop_assert!(left.expect("open until then") <= RULES.longest_cooldown);
                }
            }
        }
    }
}
