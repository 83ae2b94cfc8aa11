//! How deep the types of a component are nested in its bytes.
//!
//! Component and instance types hold types, which hold types. Every parser of them, the engine's included, recurses for each level
//! and takes some kilobytes of stack: three kilobytes of bytes would end the process. So this counts the levels first, without recursion.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType, ComponentTypeRef,
    ComponentTypeSectionReader, CoreType,
};

use super::caps;
use super::scan::Stop;

/// Refuses types that are nested beyond the cap. What is not valid in any other way is left to the validator, which names it.
pub(crate) fn check(bytes: &[u8], section: &ComponentTypeSectionReader<'_>) -> Result<(), Stop> {
    let range = section.range();
    let mut reader = BinaryReader::new(&bytes[range.clone()], range.start);
    // How many declarations are still to come in each of the types around, the outermost first.
    let mut open: Vec<u32> = Vec::new();
    let mut types = reader.read_var_u32()?;
    loop {
        match open.last_mut() {
            None if types == 0 => return Ok(()),
            None => types -= 1,
            Some(0) => {
                open.pop();
                continue;
            }
            Some(left) => {
                *left -= 1;
                let declaration = reader.read_u8()?;
                match declaration {
                    0x00 => drop(reader.read::<CoreType<'_>>()?),
                    0x01 => {}
                    0x02 => {
                        reader.read::<ComponentAlias<'_>>()?;
                    }
                    0x03 => drop(reader.read::<ComponentImport<'_>>()?),
                    0x04 => drop((reader.read::<ComponentExternName<'_>>()?, reader.read::<ComponentTypeRef>()?)),
                    _ => return Ok(()),
                }
                if declaration != 0x01 {
                    continue;
                }
            }
        }
        let mut ahead = reader.clone();
        match ahead.read_u8()? {
            0x41 | 0x42 => {
                open.push(ahead.read_var_u32()?);
                caps::TYPE_DEPTH.check(open.len() as u64)?;
                reader = ahead;
            }
            _ => drop(reader.read::<ComponentType<'_>>()?),
        }
    }
}
