//! Calls that calls in flight make: under the intersection of both grants, inside what is left, never in a circle.

use std::sync::Arc;

use async_trait::async_trait;
use toolcell_core::receipt::Used;
use toolcell_core::{Arguments, CallId, Failure, Kind, Limit, Limits, Silent, Tenant, ToolCall, ToolId};

use crate::boundary::{Called, Callees, NoResult, Tally};
use crate::egress::{HttpLimits, HttpMeter};
use crate::grant::Grant;
use crate::host::Inner;
use crate::ledger::Ledger;
use crate::run::through;
use crate::schema::inert;

/// The call that makes a call, and those that made it.
pub(crate) struct Lineage {
    /// The tools, the outermost first.
    tools: Vec<ToolId>,
    /// What the innermost may do: nothing that it calls may do more.
    pub(crate) grant: Arc<Grant>,
    /// What the requests of the innermost have used, which those of whoever it calls use too; none where it sends none.
    pub(crate) requests: Option<Requests>,
    /// How many calls the innermost has made.
    tally: Arc<Tally>,
}

/// The meter of a call's requests, and the limits that it is held against.
#[derive(Clone)]
pub(crate) struct Requests {
    pub(crate) meter: Arc<HttpMeter>,
    pub(crate) limits: HttpLimits,
}

/// Runs the tools that one call in flight calls.
pub(crate) struct Nested {
    host: Arc<Inner>,
    call: CallId,
    tenant: Tenant,
    lineage: Arc<Lineage>,
}

impl Nested {
    /// For a call of `tool` under `grant` and within `limits`, which may itself be one that another made.
    pub(crate) fn new(
        host: &Arc<Inner>,
        call: &ToolCall,
        tool: &ToolId,
        (grant, limits): (&Arc<Grant>, &Limits),
        requests: Option<Requests>,
        above: Option<&Arc<Lineage>>,
    ) -> Self {
        let mut tools = above.map(|above| above.tools.clone()).unwrap_or_default();
        tools.push(tool.clone());
        let tally = Arc::new(Tally::new(limits, above.map(|above| above.tally.clone())));
        let lineage = Arc::new(Lineage { tools, grant: grant.clone(), requests, tally });
        Self { host: host.clone(), call: call.id, tenant: call.tenant.clone(), lineage }
    }

    /// The call as the host takes it, or why it is not made.
    fn prepare(&self, tool: &str, arguments: String, left: Limits) -> Result<ToolCall, NoResult> {
        let ended = |failure: Box<Failure>| NoResult::Ended(failure);
        let (component, index) = self.host.catalog.snapshot().resolve(tool, None).map_err(ended)?;
        let id = &component.tools[index].id;
        if !self.lineage.grant.calls.iter().any(|pattern| pattern.names(id, component.digest)) {
            return Err(NoResult::NotGranted(format!(
                "this call may not call `{id}`: the manifest must request it under `tools`, and a rule allow it by `call = [\"{id}\"]`"
            )));
        }
        if self.lineage.tools.contains(id) {
            let circle: Vec<_> = self.lineage.tools.iter().map(ToString::to_string).collect();
            return Err(NoResult::NotGranted(format!("`{id}` is already calling: {} -> {id}", circle.join(" -> "))));
        }
        if self.lineage.tools.len() as u64 >= left.get(Limit::CallDepth) {
            return Err(NoResult::TooDeep);
        }
        let arguments = Arguments::from_text(arguments)
            .map_err(|error| ended(Box::new(Failure::new(Kind::InvalidJson, error.to_string()))))?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| {
            let failure = Failure::new(Kind::HostFault, "the host has no random bytes for the id of a call");
            ended(Box::new(failure.detail(error.to_string())))
        })?;
        let mut call = ToolCall::new(CallId(u128::from_le_bytes(random)), id.as_str(), arguments);
        call.component = Some(component.digest);
        call.caller = format!("tool {}", self.lineage.tools.last().map_or("", ToolId::as_str));
        call.tenant = self.tenant.clone();
        call.parent = Some(self.call);
        call.budget = Some(left);
        Ok(call)
    }
}

#[async_trait]
impl Callees for Nested {
    async fn call(&self, tool: String, arguments: String, left: Limits) -> Called {
        let tool = inert(&tool, toolcell_core::tool::MAX_TOOL_ID);
        let call = match self.prepare(&tool, arguments, left) {
            Ok(call) => call,
            Err(refused) => return Called { ended: Err(refused), used: Used::default() },
        };
        let ledger = Ledger::open(&self.host, &call);
        let outcome = through(&self.host, call, ledger, &Silent, Some(self.lineage.clone())).await;
        let used = outcome.receipt.as_ref().map(|sealed| sealed.receipt.used).unwrap_or_default();
        let ended = match (outcome.verdict.result(), outcome.verdict.failure()) {
            (Some(result), _) => Ok(result.get().to_owned()),
            (None, Some(failure)) => Err(NoResult::Ended(Box::new(failure.clone()))),
            (None, None) => unreachable!("a verdict is a result or a failure"),
        };
        Called { ended, used }
    }

    fn tally(&self) -> &Tally {
        &self.lineage.tally
    }
}
