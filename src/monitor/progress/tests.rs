use super::*;

#[test]
fn a_row_waits_for_the_validation_of_its_epoch_and_for_no_other() {
    let schedule = RunSchedule { epochs: 4, train_batches: 2, val_batches: 1, val_interval: 2, val_before: true };
    let progress = Progress::new(&schedule, 0, 1, true);
    let open = || progress.epochs.lock().unwrap().open.as_ref().map(|row| row.epoch);
    let pass = |split, epoch| {
        progress.observe(&RunEvent::Pass(Box::new(Pass { split, epoch, ..Pass::default() })));
        open()
    };
    assert_eq!(pass(Split::Val, 0), None);
    assert_eq!(pass(Split::Train, 1), None, "no validation is due");
    assert_eq!(pass(Split::Train, 2), Some(2));
    assert_eq!(pass(Split::Val, 2), None);
    assert_eq!(pass(Split::Train, 4), Some(4));
    progress.finish();
    assert_eq!(open(), None, "a run that ends before its validation shows what it has");
}

#[test]
fn the_place_names_epoch_and_validation() {
    let schedule = RunSchedule { epochs: 4, train_batches: 2, val_batches: 1, val_interval: 2, val_before: true };
    let progress = Progress::new(&schedule, 0, 1, true);
    let place = |split| progress.place(&Batch { epoch: 3, split, ..Batch::default() });
    assert_eq!([place(Split::Train), place(Split::Val)], ["epoch 3/4", "epoch 3/4 validation"]);
}
