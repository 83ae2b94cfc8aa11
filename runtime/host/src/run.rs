//! The way of a call through the host: find, check, grant, admit, run, seal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use toolcell_core::json::JsonError;
use toolcell_core::{CallId, Event, Events, Failure, Kind, Limit, Limits, Outcome, ToolCall, Toolbox};

use crate::admission::Slot;
use crate::boundary::{CallState, Setup, Sink};
use crate::catalog::{Component, Tool};
use crate::grant::Grant;
use crate::guests::Guests;
use crate::host::{Host, Inner};
use crate::ledger::Ledger;
use crate::sandbox::{Passed, Session, Shared};
use crate::schema::shape::NotCallable;
use crate::schema::{Conclusion, LowerError};

#[async_trait]
impl Toolbox for Host {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        let inflight = InFlight::new(&self.0, call.id);
        let ledger = Ledger::open(self.0.receipts.clone(), &call, self.0.clock.now());
        let left = ledger.left();
        tokio::select! {
            biased;
            outcome = through(&self.0, call, ledger, events) => return outcome,
            () = inflight.cancelled.notified() => {}
        }
        // The way through is dropped; its ledger seals itself here, or on the guest's thread at the next tick.
        left.outcome().await
    }

    fn cancel(&self, call: CallId) -> bool {
        let inflight = self.0.inflight.lock().unwrap_or_else(PoisonError::into_inner);
        inflight.get(&call).map(|cancelled| cancelled.notify_one()).is_some()
    }
}

/// All that is known of a call that may run.
struct Checked {
    component: Arc<Component>,
    tool: usize,
    grant: Arc<Grant>,
    limits: Limits,
    passed: Passed,
}

/// Takes a call to its end. Whatever happens, the ledger is closed exactly once.
async fn through(host: &Arc<Inner>, call: ToolCall, mut ledger: Ledger, events: &dyn Events) -> Outcome {
    let checked = match check(host, &call, &mut ledger) {
        Ok(checked) => checked,
        Err(failure) => return ledger.close(Err(failure)),
    };
    let (prepared, slot, deadline) = match admit(host, &call, &checked, &mut ledger).await {
        Ok(admitted) => admitted,
        Err(failure) => return ledger.close(Err(failure)),
    };
    let (sink, mut lines) = Lines::new(events);
    let setup = Setup {
        limits: checked.limits.clone(),
        mounts: checked.grant.mounts.clone(),
        config: checked.grant.config.clone(),
        started: ledger.write().started,
        seed: seed(&host.secret, call.id),
        sink,
        interceptor: None,
    };
    let guest = guest(host.clone(), checked, prepared, setup, slot, deadline, ledger);
    if Guests::is_here() {
        return lines.alongside(events, guest).await;
    }
    let mut spawned = Spawned(host.guests.spawn(guest));
    let ended = lines.alongside(events, &mut spawned.0).await;
    ended.unwrap_or_else(|error| {
        // Our own code panicked on the guest's thread; its ledger has sealed itself while the stack unwound.
        let failure = Failure::new(Kind::HostFault, "the host broke while it ran the call").detail(error.to_string());
        Outcome { verdict: toolcell_core::Verdict::of(failure), receipt: None }
    })
}

/// Finds the tool, makes the grant and checks the arguments; nothing has run yet.
fn check(host: &Arc<Inner>, call: &ToolCall, ledger: &mut Ledger) -> Result<Checked, Box<Failure>> {
    let (component, tool) = host.catalog.snapshot().resolve(&call.tool, call.component)?;
    let entry = &component.tools[tool];
    let receipt = ledger.write();
    receipt.component = Some(component.digest);
    receipt.tool.clear();
    receipt.tool.push_str(entry.id.as_str());
    let signature = entry.signature.as_ref().map_err(|not| not_callable(entry, not))?;
    let known = host.known(&component, entry);
    let grant = known.grant;
    let limits = call.budget.as_ref().map_or_else(|| grant.limits.clone(), |budget| grant.limits.meet(budget));
    let arguments = call.arguments.parse(&limits).map_err(unreadable)?;
    let passed = Passed::check(signature, known.fast.as_ref(), &arguments, &limits).map_err(|error| {
        let problems = match error {
            LowerError::Problems(problems) => problems,
            LowerError::Over { limit, value } => return Box::new(Failure::limit(limit, value)),
        };
        let several = if problems.len() == 1 { "a problem".to_owned() } else { format!("{} problems", problems.len()) };
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        let message = format!("the arguments of `{}` have {several}; the first: {first}", entry.id);
        Box::new(Failure::new(Kind::InvalidArgument, message).problems(problems))
    })?;
    drop(arguments);
    Ok(Checked { component, tool, grant, limits, passed })
}

/// Makes the component ready and waits for a slot.
async fn admit(
    host: &Arc<Inner>,
    call: &ToolCall,
    checked: &Checked,
    ledger: &mut Ledger,
) -> Result<(Shared, Slot, Instant), Box<Failure>> {
    let over = || Box::new(Failure::limit(Limit::Time, checked.limits.get(Limit::Time)).hint("The caller's deadline has passed."));
    // The caller's deadline is wall-clock time; from here on only the monotonic clock counts.
    let remaining = match call.deadline {
        Some(deadline) => {
            let left = deadline.0.saturating_sub(host.clock.now().0);
            Some(Instant::now() + Duration::from_millis(left)).filter(|_| left > 0).map(Some).ok_or_else(over)?
        }
        None => None,
    };
    let prepared = host.prepared(&checked.component, &checked.grant).await?;
    let queued = Instant::now();
    let patience = checked.limits.duration(Limit::QueueTime);
    let patience = remaining.map_or(patience, |until| patience.min(until.saturating_duration_since(queued)));
    let slot = host.admission.admit(&call.tenant, &checked.component.tools[checked.tool].id, patience).await?;
    let now = Instant::now();
    ledger.write().queued_us = u64::try_from((now - queued).as_micros()).unwrap_or(u64::MAX);
    let deadline = now + checked.limits.duration(Limit::Time);
    let deadline = remaining.map_or(deadline, |until| deadline.min(until));
    if deadline <= now {
        return Err(over());
    }
    Ok((prepared, slot, deadline))
}

/// What runs on a guest's thread. The slot is released, and the session gone, when this ends or is dropped.
async fn guest(
    host: Arc<Inner>,
    checked: Checked,
    prepared: Shared,
    setup: Setup,
    slot: Slot,
    deadline: Instant,
    ledger: Ledger,
) -> Outcome {
    let ticking = host.guests.ticking();
    let state = CallState::new(setup);
    let mut session = Session::new(&prepared, state, checked.limits, deadline, ledger, ticking);
    let entry = &checked.component.tools[checked.tool];
    let ended = match &entry.signature {
        Ok(signature) => session.invoke(&prepared, checked.tool, signature, checked.passed).await,
        Err(not) => Err(not_callable(entry, not)),
    };
    let ledger = session.finish();
    drop(slot);
    ledger.close(match ended {
        Ok(Conclusion::Value(json)) => RawValue::from_string(json)
            .map_err(|error| Box::new(Failure::new(Kind::HostFault, "the result is no JSON").detail(error.to_string()))),
        Ok(Conclusion::Failure(failure)) => Err(failure),
        Err(failure) => Err(failure),
    })
}

fn not_callable(tool: &Tool, not: &NotCallable) -> Box<Failure> {
    Box::new(Failure::new(Kind::NotCallable, format!("tool `{}` is not callable yet: {}", tool.id, not.reason)))
}

/// Arguments that are no JSON, or over a limit before they are looked at.
fn unreadable(error: JsonError) -> Box<Failure> {
    Box::new(match error {
        JsonError::Over { limit, value } => Failure::limit(limit, value),
        JsonError::Malformed { .. } => Failure::new(Kind::InvalidJson, format!("the arguments are not strict JSON: {error}")),
    })
}

/// The seed of a call's random generator: different for each call, and no guest learns another's from its own.
fn seed(secret: &[u8; 32], call: CallId) -> [u8; 32] {
    Sha256::new().chain_update(secret).chain_update(call.0.to_le_bytes()).finalize().into()
}

/// A guest's task that is dropped with its caller.
struct Spawned(JoinHandle<Outcome>);

impl Drop for Spawned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A call that can be cancelled by its id, as long as the value lives.
struct InFlight<'a> {
    host: &'a Inner,
    id: CallId,
    cancelled: Arc<Notify>,
}

impl<'a> InFlight<'a> {
    fn new(host: &'a Inner, id: CallId) -> Self {
        let cancelled = Arc::new(Notify::new());
        host.inflight.lock().unwrap_or_else(PoisonError::into_inner).insert(id, cancelled.clone());
        Self { host, id, cancelled }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut inflight = self.host.inflight.lock().unwrap_or_else(PoisonError::into_inner);
        // An id that a caller used twice belongs to the newer call.
        if inflight.get(&self.id).is_some_and(|other| Arc::ptr_eq(other, &self.cancelled)) {
            inflight.remove(&self.id);
        }
    }
}

/// Brings events from the guest's thread to the caller's side. Log lines queue, at most as many as a call may write;
/// of progress only the newest report is kept, so that neither can fill memory.
struct Lines {
    queue: Option<mpsc::UnboundedReceiver<Option<Event>>>,
    newest: Arc<Mutex<Option<Event>>>,
}

impl Lines {
    fn new(events: &dyn Events) -> (Option<Sink>, Self) {
        let newest = Arc::new(Mutex::new(None));
        if !events.listens() {
            return (None, Self { queue: None, newest });
        }
        events.event(Event::Started);
        let (send, queue) = mpsc::unbounded_channel();
        let progress = newest.clone();
        let sink: Sink = Box::new(move |event| {
            let event = match event {
                Event::Progress { .. } => {
                    let mut newest = progress.lock().unwrap_or_else(PoisonError::into_inner);
                    // One that is still there has a place in the queue already.
                    if newest.replace(event).is_some() {
                        return;
                    }
                    None
                }
                other => Some(other),
            };
            // Nobody receives any more when the caller is gone, and then nobody misses the line.
            let _ = send.send(event);
        });
        (Some(sink), Self { queue: Some(queue), newest })
    }

    /// Hands events on until the call has ended, and then those that are left.
    async fn alongside<T>(&mut self, events: &dyn Events, call: impl Future<Output = T>) -> T {
        let Some(queue) = &mut self.queue else { return call.await };
        let hand_on = |line: Option<Event>| {
            let progress = || self.newest.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(event) = line.or_else(progress) {
                events.event(event);
            }
        };
        let mut call = std::pin::pin!(call);
        loop {
            tokio::select! {
                biased;
                Some(line) = queue.recv() => hand_on(line),
                ended = &mut call => {
                    while let Ok(line) = queue.try_recv() {
                        hand_on(line);
                    }
                    return ended;
                }
            }
        }
    }
}
