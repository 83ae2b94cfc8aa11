//! The way of a call through the host: find, check, grant, admit, run, seal.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use toolcell_core::json::JsonError;
use toolcell_core::kv::Quota;
use toolcell_core::{
    CallId, Event, Events, Failure, Kind, Limit, Limits, Outcome, ResultText, ToolCall, ToolId, Toolbox,
};

use crate::admission::Slot;
use crate::boundary::{CallState, Callees, Egress, Kv, Randomness, Setup, Sink};
use crate::catalog::{Component, Tool};
use crate::grant::{Grant, Inert};
use crate::guests::{Guests, Ticking};
use crate::host::{Host, Inner};
use crate::known::Known;
use crate::ledger::{Ledger, Left};
use crate::nested::{Lineage, Nested, Requests};
use crate::sandbox::{Passed, Session, Shared};
use crate::schema::shape::NotCallable;
use crate::schema::{Conclusion, LowerError};

#[async_trait]
impl Toolbox for Host {
    async fn call(&self, call: ToolCall, events: &dyn Events) -> Outcome {
        let ledger = Ledger::open(&self.0, &call);
        let left = ledger.left();
        let _inflight = InFlight::new(&self.0, call.id, &left);
        {
            // Pinned here: it is some kilobytes that `select!` would move.
            let mut through = std::pin::pin!(through(&self.0, call, ledger, events, None));
            tokio::select! {
                biased;
                outcome = &mut through => return outcome,
                () = left.cancelled() => {}
            }
        }
        // The way through is dropped; its ledger seals itself here, or on the guest's thread at the next tick. A call that
        // came to its end meanwhile has the outcome that its receipt says.
        left.outcome().await
    }

    fn cancel(&self, call: CallId) -> bool {
        let inflight = self.0.inflight.lock().unwrap_or_else(PoisonError::into_inner);
        inflight.get(&call).map(|left| left.cancel()).is_some()
    }
}

/// All that is known of a call that may run.
struct Checked {
    component: Arc<Component>,
    tool: usize,
    known: Arc<Known>,
    grant: Arc<Grant>,
    limits: Limits,
    passed: Passed,
}

/// Takes a call to its end. Whatever happens, the ledger is closed exactly once.
///
/// `above` is there where another call makes this one.
pub(crate) async fn through(
    host: &Arc<Inner>,
    call: ToolCall,
    mut ledger: Ledger,
    events: &dyn Events,
    above: Option<Arc<Lineage>>,
) -> Outcome {
    let mut checked = match check(host, &call, &mut ledger, above.as_deref()) {
        Ok(checked) => checked,
        Err(failure) => return ledger.close(Err(failure)),
    };
    if events.listens() && checked.known.ready().is_none() {
        events.event(Event::Preparing);
    }
    let (prepared, slot, deadline) = match admit(host, &call, &mut checked, &mut ledger, above.as_deref()).await {
        Ok(admitted) => admitted,
        Err(failure) => return ledger.close(Err(failure)),
    };
    // A nested call has a task of its own: on the stack of its caller's guest there is no room for another guest's.
    let inline = Guests::is_here() && above.is_none();
    let (sink, mut lines) = Lines::new(events);
    let grant = &checked.grant;
    let tool = &checked.component.tools[checked.tool].id;
    let requests = above.as_ref().and_then(|above| above.requests.as_ref());
    let reach = host.outside.reach(grant, &checked.limits, requests, || host.witness.notes(call.id, tool));
    let setup = Setup {
        limits: checked.limits.clone(),
        mounts: grant.mounts.clone(),
        config: grant.config.clone(),
        // Not when it came in: it may have waited for its component and for a slot.
        started: host.clock.now(),
        randomness: Randomness { key: host.secret.clone(), stream: host.serial.fetch_add(1, Ordering::Relaxed) },
        sink,
        callees: callees(host, &call, tool, &checked, reach.egress.as_ref(), above.as_ref()),
        egress: reach.egress,
        kv: store(host, &call, tool, grant),
        secrets: reach.secrets,
        interceptor: None,
    };
    let left = (!inline).then(|| ledger.left());
    // In a box, because it is some kilobytes that would otherwise be moved again and again.
    let guest = Box::pin(guest(host.guests.ticking(), checked, prepared, setup, slot, deadline, ledger));
    let Some(left) = left else { return lines.alongside(events, guest).await };
    // The outcome is left where a caller who cancels finds it too: a guest that is just ending is not stopped any more.
    let leave = left.clone();
    let mut spawned = Spawned(host.guests.spawn(async move { leave.leave(guest.await) }));
    let ended = lines.alongside(events, &mut spawned.0).await;
    // After a panic of our own code the ledger has sealed itself while the stack unwound, and left that.
    left.take().unwrap_or_else(|| {
        let detail = ended.err().map(|error| error.to_string()).unwrap_or_default();
        let failure = Failure::new(Kind::HostFault, "the host broke while it ran the call").detail(detail);
        Outcome::unsealed(toolcell_core::Verdict::of(failure))
    })
}

/// Finds the tool, makes the grant and checks the arguments; nothing has run yet.
fn check(
    host: &Arc<Inner>,
    call: &ToolCall,
    ledger: &mut Ledger,
    above: Option<&Lineage>,
) -> Result<Checked, Box<Failure>> {
    let (component, tool) = host.catalog.snapshot().resolve(&call.tool, call.component)?;
    let entry = &component.tools[tool];
    let receipt = ledger.write();
    receipt.component = Some(component.digest);
    receipt.tool.clear();
    receipt.tool.push_str(entry.id.as_str());
    let signature = entry.signature.as_ref().map_err(|not| not_callable(entry, not))?;
    let known = host.known(&component, tool, &call.tenant)?;
    if let Some(inert) = known.grant.inert() {
        return Err(unapproved(inert));
    }
    let grant = above.map_or_else(|| known.grant.clone(), |above| Arc::new(known.grant.meet(&above.grant)));
    let granted = &grant.limits;
    let mut limits = call.budget.as_ref().map_or_else(|| granted.clone(), |budget| granted.meet(budget));
    let arguments = call.arguments.parse(&limits).map_err(|error| unreadable(&error))?;
    let passed = Passed::check(signature, known.fast.as_ref(), &arguments, &limits).map_err(|error| {
        let problems = match error {
            LowerError::Problems(problems) => problems,
            LowerError::Over { limit, value } => return Box::new(Failure::limit(limit, value)),
        };
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        let message = match problems.len() {
            1 => format!("the arguments of `{}` do not fit: {first}", entry.id),
            several => format!("the arguments of `{}` have {several} problems; the first: {first}", entry.id),
        };
        Box::new(Failure::new(Kind::InvalidArgument, message).problems(problems))
    })?;
    drop(arguments);
    if above.is_some() {
        limits = passed.beside(limits);
    }
    Ok(Checked { component, tool, known, grant, limits, passed })
}

/// Makes the component ready and waits for a slot.
async fn admit(
    host: &Arc<Inner>,
    call: &ToolCall,
    checked: &mut Checked,
    ledger: &mut Ledger,
    above: Option<&Lineage>,
) -> Result<(Shared, Slot, Instant), Box<Failure>> {
    let time = checked.limits.get(Limit::Time);
    let over = || Box::new(Failure::limit(Limit::Time, time).hint("The caller's deadline has passed."));
    // The caller's deadline is wall-clock time; from here on only the monotonic clock counts.
    let remaining = match call.deadline {
        Some(deadline) => {
            let left = deadline.0.saturating_sub(host.clock.now().0);
            Some(Instant::now() + Duration::from_millis(left)).filter(|_| left > 0).map(Some).ok_or_else(over)?
        }
        None => None,
    };
    let ready = host.prepared(&checked.component, &checked.known);
    let prepared = match remaining {
        Some(until) => tokio::time::timeout_at(until.into(), ready).await.map_err(|_| over())??,
        None => ready.await?,
    };
    let queued = Instant::now();
    let patience = checked.limits.duration(Limit::QueueTime);
    let patience = remaining.map_or(patience, |until| patience.min(until.saturating_duration_since(queued)));
    let slot = match above {
        None => host.admission.admit(&call.tenant, &checked.known.gate, queued, patience).await?,
        Some(_) => host.admission.admit_nested(patience).await?,
    };
    let now = Instant::now();
    ledger.write().queued_us = u64::try_from((now - queued).as_micros()).unwrap_or(u64::MAX);
    let deadline = now + checked.limits.duration(Limit::Time);
    let deadline = remaining.map_or(deadline, |until| deadline.min(until));
    if deadline <= now {
        return Err(over());
    }
    // Where the caller's deadline comes first, it is the time limit of this call, and is named as such when it is hit.
    let millis = u64::try_from((deadline - now).as_millis()).unwrap_or(u64::MAX).clamp(1, time);
    if let Ok(limits) = checked.limits.clone().with(Limit::Time, millis) {
        checked.limits = limits;
    }
    Ok((prepared, slot, deadline))
}

/// What runs on a guest's thread. The slot is released, and the session gone, when this ends or is dropped.
async fn guest(
    ticking: Ticking,
    checked: Checked,
    prepared: Shared,
    setup: Setup,
    slot: Slot,
    deadline: Instant,
    ledger: Ledger,
) -> Outcome {
    let state = CallState::new(setup);
    let mut session = Session::new(&prepared, state, checked.limits, deadline, ledger, ticking);
    let entry = &checked.component.tools[checked.tool];
    let ended = match &entry.signature {
        Ok(signature) => session.invoke(&prepared, checked.tool, signature, checked.known.cost, checked.passed).await,
        Err(not) => Err(not_callable(entry, not)),
    };
    let ledger = session.finish();
    drop(slot);
    ledger.close(match ended {
        Ok(Conclusion::Value(json)) => Ok(ResultText::new(json)),
        Ok(Conclusion::Failure(failure)) | Err(failure) => Err(failure),
    })
}

/// The store of a call, where it is granted one and the host has one.
fn store(host: &Inner, call: &ToolCall, tool: &ToolId, grant: &Grant) -> Option<Kv> {
    let (quota, store) = (grant.kv?, host.kv.as_ref()?);
    Some(Kv {
        store: store.clone(),
        tenant: call.tenant.clone(),
        component: tool.component().into(),
        quota: Quota { keys: quota.keys, value_bytes: quota.value_bytes, total_bytes: quota.total_bytes },
        clock: host.clock.clone(),
    })
}

/// Who runs the tools that a call calls, where it may call any.
fn callees(
    host: &Arc<Inner>,
    call: &ToolCall,
    tool: &ToolId,
    checked: &Checked,
    egress: Option<&Egress>,
    above: Option<&Arc<Lineage>>,
) -> Option<Arc<dyn Callees>> {
    if checked.grant.calls.is_empty() {
        return None;
    }
    let requests =
        egress.map(|Egress { session, .. }| Requests { meter: session.meter.clone(), limits: session.limits });
    Some(Arc::new(Nested::new(host, call, tool, (&checked.grant, &checked.limits), requests, above)))
}

/// A tool that must be approved and is not, with what has changed since it was.
fn unapproved(inert: &Inert) -> Box<Failure> {
    let mut failure = Failure::new(Kind::NotGranted, inert.reason.clone());
    failure.hints.extend(inert.added.iter().map(|line| format!("not approved: {line}")));
    failure.hints.extend(inert.removed.iter().map(|line| format!("approved and no longer granted: {line}")));
    Box::new(failure)
}

fn not_callable(tool: &Tool, not: &NotCallable) -> Box<Failure> {
    Box::new(Failure::new(Kind::NotCallable, format!("tool `{}` is not callable yet: {}", tool.id, not.reason)))
}

/// Arguments that are no JSON, or over a limit before they are looked at.
fn unreadable(error: &JsonError) -> Box<Failure> {
    Box::new(match error {
        JsonError::Over { limit, value } => Failure::limit(*limit, *value),
        JsonError::Malformed { .. } => {
            Failure::new(Kind::InvalidJson, format!("the arguments are not strict JSON: {error}"))
        }
    })
}

/// A guest's task that is dropped with its caller.
struct Spawned(JoinHandle<()>);

impl Drop for Spawned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A call that can be cancelled by its id, as long as the value lives.
struct InFlight<'a> {
    host: &'a Inner,
    id: CallId,
    left: Arc<Left>,
}

impl<'a> InFlight<'a> {
    fn new(host: &'a Inner, id: CallId, left: &Arc<Left>) -> Self {
        host.inflight.lock().unwrap_or_else(PoisonError::into_inner).insert(id, left.clone());
        Self { host, id, left: left.clone() }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut inflight = self.host.inflight.lock().unwrap_or_else(PoisonError::into_inner);
        // An id that a caller used twice belongs to the newer call.
        if inflight.get(&self.id).is_some_and(|other| Arc::ptr_eq(other, &self.left)) {
            inflight.remove(&self.id);
        }
    }
}

/// Brings events from the guest's thread to the caller's side. Log lines queue, at most as many as a call may write;
/// of progress only the newest report is kept, so that neither can fill memory.
struct Lines(Option<Listened>);

/// What a caller who listens is handed.
struct Listened {
    queue: mpsc::UnboundedReceiver<Option<Event>>,
    newest: Arc<Mutex<Option<Event>>>,
}

impl Lines {
    fn new(events: &dyn Events) -> (Option<Sink>, Self) {
        if !events.listens() {
            return (None, Self(None));
        }
        let newest = Arc::new(Mutex::new(None));
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
        (Some(sink), Self(Some(Listened { queue, newest })))
    }

    /// Hands events on until the call has ended, and then those that are left.
    async fn alongside<T>(&mut self, events: &dyn Events, call: impl Future<Output = T>) -> T {
        let Some(Listened { queue, newest }) = &mut self.0 else { return call.await };
        let hand_on = |line: Option<Event>| {
            let progress = || newest.lock().unwrap_or_else(PoisonError::into_inner).take();
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
