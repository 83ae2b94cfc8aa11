//! How large a component becomes when everything in it is instantiated.
//!
//! A component that is defined once may be instantiated often, by others that are instantiated often themselves: a kilobyte of bytes
//! becomes millions of instances, and the engine lays them all out before it compiles anything. Counts of what the bytes hold do
//! not show that. So each component gets a weight, which is what instantiating it once adds up to, and the outermost one is refused where it is too heavy.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, Payload,
};

use super::caps;
use super::scan::Stop;

/// The weight of a component that is not known here, because it is imported or comes out of an instance. Nothing that toolchains make
/// instantiates one; who does is refused.
const UNKNOWN: u64 = caps::EXPANDED.most + 1;

/// Follows a walk over the bytes, from the header to the end.
#[derive(Default)]
pub(crate) struct Expansion {
    /// The components that are being walked, the innermost last.
    scopes: Vec<Scope>,
    /// How many modules are being walked inside the innermost component: one or none.
    modules: u32,
}

/// One component.
#[derive(Default)]
struct Scope {
    /// The weight of each component in its index space.
    components: Vec<u64>,
    /// What instantiating it once adds up to, as far as it has been walked.
    weight: u64,
}

impl Scope {
    fn add(&mut self, more: u64) -> Result<(), Stop> {
        self.weight = self.weight.saturating_add(more);
        Ok(caps::EXPANDED.check(self.weight)?)
    }

    fn component(&self, index: u32) -> u64 {
        // An index that is out of range is the validator's to refuse.
        self.components.get(index as usize).copied().unwrap_or(UNKNOWN)
    }
}

impl Expansion {
    /// Takes the next payload. It costs no more than reading the payload does.
    pub(crate) fn count(&mut self, payload: &Payload<'_>) -> Result<(), Stop> {
        match payload {
            Payload::ModuleSection { .. } => {
                self.modules += 1;
                return Ok(());
            }
            Payload::ComponentSection { .. } => {
                self.scopes.push(Scope::default());
                return Ok(());
            }
            Payload::End(_) if self.modules > 0 => {
                self.modules -= 1;
                return Ok(());
            }
            Payload::End(_) => {
                let ended = self.scopes.pop().map_or(0, |scope| scope.weight);
                if let Some(outer) = self.scopes.last_mut() {
                    outer.components.push(ended.saturating_add(1));
                }
                return Ok(());
            }
            Payload::Version { .. } if self.scopes.is_empty() => {
                self.scopes.push(Scope::default());
                return Ok(());
            }
            _ => {}
        }
        let depth = self.scopes.len();
        let Some(scope) = self.scopes.last_mut() else { return Ok(()) };
        match payload {
            Payload::InstanceSection(section) => scope.add(section.count().into()),
            Payload::ComponentCanonicalSection(section) => scope.add(section.count().into()),
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    let weight = match instance? {
                        ComponentInstance::Instantiate { component_index, args } => {
                            scope.component(component_index).saturating_add(args.len() as u64)
                        }
                        ComponentInstance::FromExports(exports) => exports.len() as u64,
                    };
                    scope.add(weight.saturating_add(1))?;
                }
                Ok(())
            }
            Payload::ComponentAliasSection(section) => {
                scope.add(section.count().into())?;
                for alias in section.clone() {
                    let weight = match alias? {
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => UNKNOWN,
                        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                            let outer = depth.checked_sub(1 + count as usize).and_then(|at| self.scopes.get(at));
                            outer.map_or(UNKNOWN, |outer| outer.component(index))
                        }
                        _ => continue,
                    };
                    self.scopes[depth - 1].components.push(weight);
                }
                Ok(())
            }
            Payload::ComponentImportSection(section) => {
                scope.add(section.count().into())?;
                for import in section.clone() {
                    if let ComponentTypeRef::Component(_) = import?.ty {
                        scope.components.push(UNKNOWN);
                    }
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) => {
                scope.add(section.count().into())?;
                for export in section.clone() {
                    let export = export?;
                    // An export is a new name in the index space, too.
                    if export.kind == ComponentExternalKind::Component {
                        scope.components.push(scope.component(export.index));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
