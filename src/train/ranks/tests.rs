use super::*;
use std::net::TcpListener;

fn place(rank: usize, size: usize, port: u16) -> RankInfo {
    RankInfo {
        rank,
        size,
        local_rank: rank,
        local_size: size,
        meeting: ("127.0.0.1".into(), port),
        served: false,
        attempt: 0,
        launcher: Launcher::Torchrun,
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs `work` on `size` threads, each a rank.
pub(in crate::train) fn worlds<T: Send>(size: usize, work: impl Fn(&Arc<World>) -> T + Sync) -> Vec<T> {
    let port = free_port();
    thread::scope(|scope| {
        let work = &work;
        let run = |rank| {
            move || {
                let world = World::join(&place(rank, size, port), &Card::default(), Patience::of(20.0)).unwrap();
                let value = work(&world);
                world.barrier().unwrap();
                world.close();
                value
            }
        };
        let all: Vec<_> = (0..size).map(|rank| scope.spawn(run(rank))).collect();
        all.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

#[test]
fn ranks_gather_sum_and_copy() {
    let values = worlds(3, |world| {
        let rank = world.rank();
        let numbers = world.gather(&[rank as i64, 7]).unwrap();
        let bytes = world.gather_bytes("ab".repeat(rank).as_bytes()).unwrap();
        let small = Tensor::from_slice(&[1.5f32, -2.0]) * (rank as f64 + 1.0);
        let other = Tensor::from_slice(&[rank as f64]);
        // In another layout, and larger than a bucket.
        let large = Tensor::ones([7_000_000, 1], (Kind::Float, Device::Cpu)).transpose(0, 1);
        let turned = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]).transpose(0, 1);
        world
            .sum(&[small.shallow_clone(), turned.shallow_clone(), other.shallow_clone(), large.shallow_clone()])
            .unwrap();
        assert_eq!(large.sum(Kind::Double).double_value(&[]), 21e6);
        assert_eq!(turned.double_value(&[1, 1]), 12.0);
        assert_eq!((small.double_value(&[1]), other.double_value(&[0])), (-12.0, 3.0));
        world.broadcast(&[other.shallow_clone()], 1).unwrap();
        let rows = (rank != 1).then(|| Tensor::full([rank as i64 + 1, 2], rank as f64, (Kind::Float, Device::Cpu)));
        let rows = world.gather_rows(rows, Device::Cpu).unwrap().unwrap();
        (numbers, bytes, Vec::<f32>::try_from(rows.select(1, 1)).unwrap())
    });
    let expected = (
        vec![vec![0, 7], vec![1, 7], vec![2, 7]],
        vec![b"".to_vec(), b"ab".to_vec(), b"abab".to_vec()],
        vec![0.0, 2.0, 2.0, 2.0],
    );
    assert!(values.iter().all(|value| *value == expected), "{values:?}");
}

#[test]
fn ranks_that_are_about_to_train_something_else_are_refused_everywhere() {
    let port = free_port();
    let joined: Vec<Failure> = thread::scope(|scope| {
        let join = |rank: usize| {
            move || {
                let lines = vec![format!("TRAIN.LR: {}", if rank == 2 { 0.5 } else { 0.25 })];
                let card = Card { version: "1".into(), lines };
                World::join(&place(rank, 3, port), &card, Patience::of(20.0)).unwrap_err()
            }
        };
        let all: Vec<_> = (0..3).map(|rank| scope.spawn(join(rank))).collect();
        all.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    for failure in joined {
        assert_eq!(failure.kind.exit_code(), 78);
        assert!(failure.message.contains("rank 2 (host "), "{failure}");
        assert!(failure.message.contains("TRAIN.LR is 0.5 there and 0.25 on rank 0"), "{failure}");
    }
}

#[test]
fn a_rank_that_does_not_come_and_one_that_is_there_twice_are_named() {
    let port = free_port();
    let single = World::join(&place(0, 2, port), &Card::default(), Patience::of(0.5)).unwrap_err();
    assert_eq!(single.kind.exit_code(), 70);
    assert!(single.message.contains("rank 1 of 2 has not joined within"), "{single}");
    let port = free_port();
    let messages: Vec<Failure> = thread::scope(|scope| {
        let join = |rank| move || World::join(&place(rank, 3, port), &Card::default(), Patience::of(2.0)).unwrap_err();
        let all: Vec<_> = [0, 1, 1].map(|rank| scope.spawn(join(rank))).into();
        all.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    assert!(messages.iter().any(|failure| failure.message.contains("two processes say that they are rank 1")));
    let nobody = World::join(&place(1, 2, free_port()), &Card::default(), Patience::of(0.5)).unwrap_err();
    assert!(nobody.message.contains("found nobody at 127.0.0.1:"), "{nobody}");
}

#[test]
fn a_failure_of_one_is_the_failure_of_all() {
    let port = free_port();
    let found: Vec<String> = thread::scope(|scope| {
        let run = |rank| {
            move || {
                let world = World::join(&place(rank, 2, port), &Card::default(), Patience::of(2.0)).unwrap();
                if rank == 1 {
                    world.fail(&Failure::input("no such data set"));
                    return String::new();
                }
                world.barrier().unwrap_err().message
            }
        };
        let all: Vec<_> = (0..2).map(|rank| scope.spawn(run(rank))).collect();
        all.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    assert!(found[0].starts_with("rank 1 (") && found[0].ends_with("ended: no such data set"), "{found:?}");
}
