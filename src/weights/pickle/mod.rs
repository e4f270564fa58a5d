//! Python's pickles, protocols 0 to 5, read as data. A pickle is a program that Python runs; this reader never runs
//! anything: classes and functions are names, calls are descriptions, and who asks for a tensor decides which few of
//! them mean something. Memory and time grow no faster than the pickle's length.

mod input;
mod machine;
mod object;
#[cfg(test)]
mod tests;

pub use input::Broken;
pub use object::{Made, Object, Pickle, Ref};

use input::long;
use machine::{Machine, Step, pairs};
use std::borrow::Cow;

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// It is cut off, has an instruction that does not exist or fit, or more objects than any checkpoint.
pub fn parse(bytes: &[u8]) -> Result<Pickle<'_>, Broken> {
    let mut machine = Machine::new(bytes);
    loop {
        let at = machine.input.at;
        let step = machine.input.byte().and_then(|opcode| match opcode {
            b'.' => machine.pop().map(Some),
            opcode => run(&mut machine, opcode).map(|()| None),
        });
        match step {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(Pickle { objects: machine.objects, root, length: machine.input.at }),
            Err(what) => return Err(Broken { at, what }),
        }
    }
}

/// One instruction, by the names of Python's `pickletools`.
fn run<'a>(machine: &mut Machine<'a>, opcode: u8) -> Step {
    match opcode {
        // PROTO, FRAME
        0x80 => machine.input.byte().map(|_| ()),
        0x95 => machine.input.take(8).map(|_| ()),
        b'(' => machine.mark(),
        b'0' => machine.drop_top(),
        b'1' => machine.pop_mark().map(|_| ()),
        b'2' => machine.top().and_then(|top| machine.push(top)),
        // PUT, BINPUT, LONG_BINPUT, MEMOIZE, GET, BINGET, LONG_BINGET
        b'p' => machine.input.number_line().and_then(|key| machine.remember(key)),
        b'q' => machine.input.byte().and_then(|key| machine.remember(key.into())),
        b'r' => machine.input.u32().and_then(|key| machine.remember(key.into())),
        0x94 => machine.memoize(),
        b'g' => machine.input.number_line().and_then(|key| machine.recall(key)),
        b'h' => machine.input.byte().and_then(|key| machine.recall(key.into())),
        b'j' => machine.input.u32().and_then(|key| machine.recall(key.into())),
        b'N' | 0x88 | 0x89 | b'I' | b'J' | b'K' | b'M' | b'L' | 0x8A | 0x8B | b'F' | b'G' => {
            let object = number(machine, opcode)?;
            machine.put(object)
        }
        b'S' | b'V' | b'T' | b'U' | b'X' | 0x8C | 0x8D | b'B' | b'C' | 0x8E | 0x96 => text(machine, opcode),
        b')' | b't' | 0x85 | 0x86 | 0x87 | b']' | b'l' | b'a' | b'e' | b'}' | b'd' | b's' | b'u' | 0x8F | 0x90
        | 0x91 => collection(machine, opcode),
        b'c' | 0x93 | b'R' | 0x81 | 0x92 | b'b' | b'i' | b'o' | b'P' | b'Q' => call(machine, opcode),
        0x82..=0x84 => Err("uses Python's extension registry".into()),
        0x97 | 0x98 => Err("uses buffers outside the pickle".into()),
        other => Err(format!("there is no instruction 0x{other:02x}")),
    }
}

/// NONE, NEWTRUE, NEWFALSE, INT, BININT, BININT1, BININT2, LONG, LONG1, LONG4, FLOAT, BINFLOAT.
fn number<'a>(machine: &mut Machine<'a>, opcode: u8) -> Step<Object<'a>> {
    let input = &mut machine.input;
    let whole = |value: Option<i64>| value.map_or(Object::None, Object::Int);
    Ok(match opcode {
        0x88 => Object::Bool(true),
        0x89 => Object::Bool(false),
        b'I' => match input.text_line()?.trim() {
            "00" => Object::Bool(false),
            "01" => Object::Bool(true),
            digits => Object::Int(digits.parse().map_err(|_| "a line that is not a number")?),
        },
        b'J' => Object::Int(i32::from_le_bytes(input.array()?).into()),
        b'K' => Object::Int(input.byte()?.into()),
        b'M' => Object::Int(u16::from_le_bytes(input.array()?).into()),
        b'L' => whole(input.text_line()?.trim().trim_end_matches('L').parse().ok()),
        0x8A => whole(long(input.counted(1)?)),
        0x8B => whole(long(input.counted(4)?)),
        b'F' => Object::Float(input.number_line()?),
        b'G' => Object::Float(f64::from_be_bytes(input.array()?)),
        _ => Object::None,
    })
}

/// STRING, UNICODE, BINSTRING, SHORT_BINSTRING, BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, BINBYTES, SHORT_BINBYTES,
/// BINBYTES8, BYTEARRAY8.
fn text(machine: &mut Machine<'_>, opcode: u8) -> Step {
    match opcode {
        b'S' => {
            let line = machine.input.line()?;
            let quoted = line.len() >= 2 && line[0] == line[line.len() - 1] && matches!(line[0], b'\'' | b'"');
            if !quoted {
                return Err("a string without quotes".into());
            }
            // Escapes are left as they are: no name in a checkpoint has any.
            machine.put_text(&line[1..line.len() - 1])
        }
        b'V' => machine.input.line().and_then(|line| machine.put_text(line)),
        b'U' | 0x8C => machine.input.counted(1).and_then(|bytes| machine.put_text(bytes)),
        b'T' | b'X' => machine.input.counted(4).and_then(|bytes| machine.put_text(bytes)),
        0x8D => machine.input.counted(8).and_then(|bytes| machine.put_text(bytes)),
        b'C' => machine.input.counted(1).and_then(|bytes| machine.put(Object::Bytes(bytes))),
        b'B' => machine.input.counted(4).and_then(|bytes| machine.put(Object::Bytes(bytes))),
        _ => machine.input.counted(8).and_then(|bytes| machine.put(Object::Bytes(bytes))),
    }
}

/// Tuples, lists, dictionaries and sets, and what fills them.
fn collection(machine: &mut Machine<'_>, opcode: u8) -> Step {
    match opcode {
        b')' => machine.put(Object::Tuple(Vec::new())),
        b't' => machine.pop_mark().and_then(|items| machine.put(Object::Tuple(items))),
        0x85..=0x87 => {
            let items = machine.pop_many(usize::from(opcode - 0x84))?;
            machine.put(Object::Tuple(items))
        }
        b']' => machine.put(Object::List(Vec::new())),
        b'l' => machine.pop_mark().and_then(|items| machine.put(Object::List(items))),
        b'a' => machine.pop().and_then(|item| machine.append(vec![item])),
        b'e' | 0x90 => machine.pop_mark().and_then(|items| machine.append(items)),
        b'}' => machine.put(Object::Dict(Vec::new())),
        b'd' => {
            let entries = pairs(&machine.pop_mark()?)?.collect();
            machine.put(Object::Dict(entries))
        }
        b's' => machine.pop_many(2).and_then(|pair| machine.set(&pair)),
        b'u' => machine.pop_mark().and_then(|values| machine.set(&values)),
        0x8F => machine.put(Object::Set(Vec::new())),
        _ => machine.pop_mark().and_then(|items| machine.put(Object::Set(items))),
    }
}

/// GLOBAL, STACK_GLOBAL, REDUCE, NEWOBJ, NEWOBJ_EX, BUILD, INST, OBJ, PERSID, BINPERSID.
fn call(machine: &mut Machine<'_>, opcode: u8) -> Step {
    match opcode {
        b'c' => {
            let global = global(machine)?;
            machine.push(global)
        }
        0x93 => {
            let names = machine.pop_many(2)?;
            let is_text = |at: Ref| matches!(machine.objects.get(at as usize), Some(Object::Text(_)));
            if !names.iter().all(|name| is_text(*name)) {
                return Err("a class whose name is no text".into());
            }
            machine.put(Object::Global { module: names[0], name: names[1] })
        }
        b'R' | 0x81 => machine.pop_many(2).and_then(|parts| machine.make(parts[0], parts[1])),
        0x92 => machine.pop_many(3).and_then(|parts| machine.make(parts[0], parts[1])),
        b'b' => machine.build(),
        b'i' => {
            let callable = global(machine)?;
            let arguments = machine.pop_mark()?;
            let arguments = machine.add(Object::Tuple(arguments))?;
            machine.make(callable, arguments)
        }
        b'o' => {
            let mut parts = machine.pop_mark()?;
            if parts.is_empty() {
                return Err("an object without a class".into());
            }
            let callable = parts.remove(0);
            let arguments = machine.add(Object::Tuple(parts))?;
            machine.make(callable, arguments)
        }
        b'P' => {
            let line = machine.input.text_line()?;
            let id = machine.add(Object::Text(Cow::Borrowed(line)))?;
            machine.put(Object::Persistent(id))
        }
        _ => machine.pop().and_then(|id| machine.put(Object::Persistent(id))),
    }
}

/// The class or function that two lines of the input name.
fn global(machine: &mut Machine<'_>) -> Step<Ref> {
    let module = machine.input.text_line()?;
    let name = machine.input.text_line()?;
    let module = machine.add(Object::Text(Cow::Borrowed(module)))?;
    let name = machine.add(Object::Text(Cow::Borrowed(name)))?;
    machine.add(Object::Global { module, name })
}
