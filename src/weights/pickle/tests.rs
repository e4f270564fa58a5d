use super::*;
use proptest::prelude::*;

#[test]
fn the_types_of_all_protocols_are_read() {
    let protocol_2 = b"\x80\x02](K\x01J\xfe\xff\xff\xff\x8a\x06\0\0\0\0\0\x01\x8a\x0b\0\0\0\0\0\0\0\0\0\0\x01\
        G\x3f\xf8\0\0\0\0\0\0X\x02\0\0\0\xc3\xa9U\x01bN\x88)K\x01\x85}X\x01\0\0\0k]K\x02ase.";
    let protocol_2 = parse(protocol_2).unwrap();
    let items = protocol_2.items(protocol_2.root).unwrap();
    let ints: Vec<_> = items[..4].iter().map(|item| protocol_2.int(*item)).collect();
    assert_eq!(ints, [Some(1), Some(-2), Some(1 << 40), None]);
    assert!(matches!(protocol_2.get(items[4]), Object::Float(1.5)));
    assert_eq!((protocol_2.text(items[5]), protocol_2.text(items[6])), (Some("é"), Some("b")));
    assert!(matches!((protocol_2.get(items[7]), protocol_2.get(items[8])), (Object::None, Object::Bool(true))));
    assert_eq!(protocol_2.items(items[10]).map(<[Ref]>::len), Some(1));
    let list = protocol_2.value(items[11], "k").unwrap();
    assert_eq!(protocol_2.int(protocol_2.items(list).unwrap()[0]), Some(2));
    let protocol_0 = parse(b"(lp0\nI1\naL99999999999L\naF0.5\naS'text'\np1\nag1\na.").unwrap();
    let items = protocol_0.items(protocol_0.root).unwrap();
    assert_eq!(protocol_0.int(items[0]), Some(1));
    assert_eq!(protocol_0.int(items[1]), Some(99_999_999_999));
    assert!(matches!(protocol_0.get(items[2]), Object::Float(0.5)));
    assert_eq!((protocol_0.text(items[3]), items[4]), (Some("text"), items[3]));
    let protocol_4 =
        parse(b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x01m\x94\x8c\x01n\x93)\x81}\x8c\x01k\x8c\x01vsb.").unwrap();
    let (made, module, name) = protocol_4.made(protocol_4.root).unwrap();
    assert_eq!((module, name), ("m", "n"));
    let state = protocol_4.value(made.state.unwrap(), "k").unwrap();
    assert_eq!(protocol_4.text(state), Some("v"));
}

#[test]
fn numbers_of_any_length_are_read_or_passed_over() {
    assert_eq!(long(&[]), Some(0));
    assert_eq!(long(&[0xFF]), Some(-1));
    assert_eq!(long(&[0, 0, 0, 0, 0, 0, 0, 0x80]), Some(i64::MIN));
    assert_eq!(long(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]), None);
    assert_eq!(long(&[0xFF; 11]), Some(-1));
    assert_eq!(long(&[1; 11]), None);
}

#[test]
fn code_is_described_and_never_run() {
    let marker = std::env::temp_dir().join(format!("trackflow-pickle-{}", std::process::id()));
    let bytes = format!("cposix\nsystem\n(S'touch {}'\ntR.", marker.display());
    let pickle = parse(bytes.as_bytes()).unwrap();
    let (made, module, name) = pickle.made(pickle.root).unwrap();
    assert_eq!((module, name), ("posix", "system"));
    assert_eq!(pickle.items(made.arguments).map(<[Ref]>::len), Some(1));
    assert!(!marker.exists());
}

#[test]
fn bombs_and_deep_nesting_take_no_more_than_their_bytes() {
    // Each tuple holds the one before twice: 2^60 leaves when written out.
    let mut bomb = b"N".to_vec();
    (0..60).for_each(|_| bomb.extend(b"2\x86"));
    bomb.push(b'.');
    assert_eq!(parse(&bomb).unwrap().len(), 61);
    let mut deep = b")".to_vec();
    deep.extend(std::iter::repeat_n(0x85, 1_000_000));
    deep.push(b'.');
    assert_eq!(parse(&deep).unwrap().len(), 1_000_001);
    // A list that contains itself.
    assert!(parse(b"]q\0h\0a.").is_ok());
    let too_many = vec![b']'; 5 << 20];
    assert!(parse(&too_many).unwrap_err().what.contains("objects"));
    let marks = vec![b'('; 5 << 20];
    assert!(parse(&marks).unwrap_err().what.contains("marks"));
}

#[test]
fn lies_about_lengths_are_found() {
    for bytes in
        [&b"X\xff\xff\xff\xffab."[..], b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", b"\x8b\xff\xff\xff\x7f.", b"Vabc"]
    {
        assert!(parse(bytes).unwrap_err().what.starts_with("ends within"), "{bytes:?}");
    }
    assert_eq!(parse(b"0.").unwrap_err(), Broken { at: 0, what: "takes from an empty stack".into() });
    assert_eq!(parse(b"g7\n.").unwrap_err().to_string(), "pickle, byte 0: nothing was remembered as 7");
    assert!(parse(b"").is_err());
}

/// Bytes of which many are instructions that fit together.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop::sample::select(b"(.012NKRbc]}atesu)QqhX\x85\x86\x87\x88\x81\x93\x94\x8c\n\x01\x02".to_vec());
    prop::collection::vec(prop_oneof![4 => opcode, 1 => any::<u8>()], 0..200)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_instructions_make_it_panic(bytes in likely()) {
        if let Ok(pickle) = parse(&bytes) {
            prop_assert!(pickle.len() <= 3 * bytes.len());
            let _ = (pickle.entries(pickle.root), pickle.made(pickle.root), pickle.value(pickle.root, "net"));
        }
    }
}
