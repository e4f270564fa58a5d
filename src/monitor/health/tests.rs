use super::{vitals::Step, *};
use crate::{
    settings::Node,
    train::{
        confusion::Confusion,
        metrics::StepMetrics,
        run_event::{Batch, GradientComparison, LossMetrics, Pass},
        run_schedule::Split,
        tasks::{BlockGradients, Gradients},
    },
};

fn vitals(text: &str) -> Vitals {
    Vitals::new(&Experiment::from_node(&Node::parse("x.yaml", text).unwrap()).unwrap())
}

fn found(vitals: &Vitals) -> Vec<String> {
    RULES.iter().filter_map(|rule| (rule.look)(vitals)).map(|advice| advice.rule).collect()
}

fn advice(vitals: &Vitals) -> Advice {
    RULES.iter().find_map(|rule| (rule.look)(vitals)).unwrap()
}

fn epoch(total: f64, accuracy: f64) -> Epoch {
    let train = StepMetrics {
        total,
        box_loss: 0.8 * total,
        class: total,
        correct: 400.0 * accuracy,
        labelled: 400.0,
        weight_class: 0.1,
        applied: 1.0,
        ..StepMetrics::default()
    };
    Epoch { train: Some(train), val: None }
}

fn validated(iou: f64, accuracy: f64) -> Epoch {
    let val = StepMetrics { iou, correct: 100.0 * accuracy, labelled: 100.0, ..StepMetrics::default() };
    Epoch { train: None, val: Some(val) }
}

fn steps(vitals: &mut Vitals, count: usize, step: Step) {
    vitals.steps.extend(std::iter::repeat_n(step, count));
}

const GOOD: Step = Step { finite: true, norm: 1.0, data: 0.01, compute: 1.0 };

#[test]
fn a_run_that_goes_well_gets_no_advice() {
    let mut well = vitals("{}");
    well.epochs = (0..6).map(|n| epoch(3.0 - 0.3 * f64::from(n), 0.2 + 0.1 * f64::from(n))).collect();
    well.epochs.extend([validated(0.5, 0.3), validated(0.55, 0.4), validated(0.54, 0.5)]);
    steps(&mut well, 200, GOOD);
    well.cosines.extend([0.3, -0.2, 0.1, 0.2, -0.1, 0.3, 0.0, 0.1, 0.2, 0.1]);
    assert_eq!(found(&well), Vec::<&str>::new());
    assert_eq!(found(&vitals("{}")), Vec::<&str>::new(), "and nothing is said of nothing");
}

#[test]
fn accuracy_at_chance_asks_for_a_higher_lambda_with_the_numbers() {
    let mut stuck = vitals("TRAIN: {CLS_WEIGHT: 0.1}");
    stuck.epochs = vec![epoch(3.0, 0.10), epoch(2.0, 0.11), epoch(1.0, 0.09)];
    assert_eq!(found(&stuck), ["accuracy_at_chance"]);
    insta::assert_snapshot!(advice(&stuck).message, @"condition accuracy in training is 9.0 %, for 3 epochs no better than always the same answer, which would get 10.0 % if conditions were equally frequent; raise λ (TRAIN.CLS_WEIGHT is 0.1, try 0.5)");
    // Where one condition has most of the frames, its share is chance.
    stuck.epochs = vec![epoch(3.0, 0.4), epoch(2.0, 0.4), epoch(1.0, 0.41)];
    assert_eq!(found(&stuck), Vec::<&str>::new());
    stuck.chance = 0.4;
    assert_eq!(found(&stuck), ["accuracy_at_chance"]);
}

#[test]
fn iou_that_falls_while_accuracy_rises_asks_for_a_lower_lambda() {
    let mut falling = vitals("TRAIN: {CLS_WEIGHT: 0.5}");
    falling.epochs = vec![validated(0.6, 0.2), validated(0.57, 0.3), validated(0.5, 0.4)];
    assert_eq!(found(&falling), ["iou_falls"]);
    assert!(advice(&falling).message.contains("TRAIN.CLS_WEIGHT is 0.5, try 0.1"), "{:?}", advice(&falling));
    falling.epochs[2] = validated(0.5, 0.25);
    assert_eq!(found(&falling), Vec::<&str>::new(), "five of a hundred frames more are no rise");
    falling.epochs[2] = validated(0.5, 0.1);
    assert_eq!(found(&falling), Vec::<&str>::new(), "both fall: λ is not why");
}

#[test]
fn losses_that_stand_still_ask_for_another_learning_rate() {
    let mut still = vitals("{}");
    still.epochs = vec![epoch(3.0, 0.5), epoch(3.1, 0.5), epoch(2.99, 0.5), epoch(3.0, 0.5)];
    assert_eq!(found(&still), ["loss_stands_still"]);
    still.epochs[3] = epoch(2.8, 0.5);
    assert_eq!(found(&still), Vec::<&str>::new());
}

#[test]
fn opposed_gradients_ask_for_surgery_unless_it_is_done() {
    let opposed = |text: &str| {
        let mut vitals = vitals(text);
        vitals.cosines.extend([-0.5, -0.3, -0.4, 0.1, -0.2, -0.6, -0.3, -0.2, -0.4, -0.5]);
        vitals
    };
    assert_eq!(found(&opposed("{}")), ["gradients_opposed"]);
    assert_eq!(found(&opposed("MODEL: {CLS_HEAD: {}}\nTRAIN: {TASK_WEIGHTING: pcgrad}")), Vec::<&str>::new());
}

#[test]
fn a_class_gradient_larger_than_the_box_tasks_is_named_with_its_size() {
    let with = |shares: [f64; 10]| {
        let mut vitals = vitals("TRAIN: {CLS_WEIGHT: 2}");
        vitals.cosines.extend([0.0; 10]);
        vitals.class_shares.extend(shares);
        vitals
    };
    // What λ = 0.1 and λ = 2 gave in the demo.
    let small = with([0.15, 0.18, 0.16, 0.32, 0.19, 0.08, 0.06, 0.1, 0.25, 0.1]);
    assert_eq!(found(&small), Vec::<&str>::new());
    let large = with([2.32, 2.6, 2.36, 1.67, 1.9, 2.23, 1.83, 1.93, 3.02, 1.2]);
    assert_eq!(found(&large), ["class_gradient_dominates"]);
    assert!(advice(&large).message.contains("2.23 times as large"), "{:?}", advice(&large));
    let mut few = large.clone();
    few.class_shares.truncate(9);
    assert_eq!(found(&few), Vec::<&str>::new());
}

#[test]
fn iou_below_a_baseline_is_the_price_of_accuracy() {
    let home = tempfile::tempdir().unwrap();
    let missing = Baseline::read(home.path()).unwrap_err();
    assert!(missing.message.contains("not found; give the --save_dir of a run"), "{missing}");
    let line = |epoch: usize, split: &str, iou: f64| {
        format!("{{\"event\":\"pass\",\"split\":\"{split}\",\"epoch\":{epoch},\"IoU\":{iou}}}\n")
    };
    let path = home.path().join("run.jsonl");
    std::fs::write(&path, line(0, "val", 0.1) + &line(1, "train", 0.3)).unwrap();
    assert!(
        Baseline::read(home.path()).unwrap_err().message.contains("no validation"),
        "before the first step is none"
    );
    let curve: String = [0.5, 0.6, 0.7].iter().enumerate().map(|(at, iou)| line(at + 1, "val", *iou)).collect();
    std::fs::write(&path, curve).unwrap();
    let baseline = Baseline::read(home.path()).unwrap();
    assert!(baseline.to_string().ends_with("3 validations, IoU 0.700 after epoch 3"), "{baseline}");

    let beside = |ious: &[f64]| {
        let mut vitals = vitals("TRAIN: {EPOCH: 9, CLS_WEIGHT: 2}");
        vitals.baseline = Some(baseline.clone());
        for (epoch, iou) in ious.iter().enumerate() {
            let means = validated(*iou, 0.4).val.unwrap();
            let metrics = LossMetrics::from(&means);
            let pass = Pass { split: Split::Val, epoch: epoch as u64 + 1, metrics, ..Pass::default() };
            vitals.add(&RunEvent::Pass(Box::new(pass)));
        }
        vitals
    };
    assert_eq!(found(&beside(&[0.45])), Vec::<&str>::new(), "one validation is not enough");
    assert_eq!(found(&beside(&[0.45, 0.59])), Vec::<&str>::new(), "it has caught up");
    let dear = beside(&[0.5, 0.55, 0.62, 0.63]);
    assert_eq!(found(&dear), ["accuracy_costs_iou"], "the fourth has nothing beside it");
    let said = advice(&dear).message;
    let expected = "validation IoU is 0.620 after epoch 3, 0.080 below the 0.700 of the baseline";
    assert!(said.starts_with(expected) && said.contains("was 0.050 below after epoch 2"), "{said}");
}

#[test]
fn steps_tell_of_numbers_that_are_none_of_norms_that_explode_and_of_starving() {
    let mut bad = vitals("{}");
    steps(&mut bad, 50, GOOD);
    steps(&mut bad, 3, Step { finite: false, norm: f64::NAN, ..GOOD });
    assert_eq!(found(&bad), ["not_finite"]);

    let mut exploding = vitals("{}");
    steps(&mut exploding, 100, GOOD);
    steps(&mut exploding, 20, Step { norm: 30.0, ..GOOD });
    assert_eq!(found(&exploding), ["norm_explodes"]);

    let mut starving = vitals("{}");
    steps(&mut starving, 100, Step { data: 0.5, ..GOOD });
    assert_eq!(found(&starving), ["step_starves"]);
    assert!(advice(&starving).message.contains("33 %"), "{:?}", advice(&starving));
}

#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<String>>);

impl Observer for Heard {
    fn observe(&self, event: &RunEvent) {
        if let RunEvent::Advice(advice) = event {
            self.0.lock().unwrap().push(advice.rule.clone());
        }
    }
}

#[test]
fn advice_is_given_once_and_events_become_numbers() {
    let experiment = Experiment::from_node(&Node::parse("x.yaml", "TRAIN: {EPOCH: 9}").unwrap()).unwrap();
    let heard = Arc::new(Heard::default());
    let health = Health::new(&experiment, heard.clone());
    let bad = RunEvent::Batch(Batch { epoch: 1, batches: 1, clips: 4, ..Batch::default() });
    (0..9).for_each(|_| health.observe(&bad));
    assert_eq!(*heard.0.lock().unwrap(), ["not_finite"]);
    for n in 0..10 {
        let block = BlockGradients {
            name: "backbone".into(),
            box_norm: 1.0,
            class_norm: 1.0,
            norm: 1.0,
            dot: -1.0 - f64::from(n) / 100.0,
            residual: 0.0,
        };
        let gradients = Gradients { blocks: vec![block], independent: true };
        health.observe(&RunEvent::Gradients(GradientComparison::new(0, 0, &gradients)));
    }
    assert_eq!(*heard.0.lock().unwrap(), ["not_finite", "gradients_opposed"]);
    // Where the run goes on after that, nothing of it is said again until it was no longer so.
    let again = Arc::new(Heard::default());
    let resumed = Health::new(&experiment, again.clone());
    let given = |rule| RunEvent::Advice(Advice::new(rule, String::new(), &[]));
    let (said, over, unknown) = (given("not_finite"), given("iou_falls"), given("of_another_version"));
    resumed.recall([bad.clone(), bad.clone(), bad.clone(), said, over, unknown].into_iter());
    assert_eq!(
        resumed.state.lock().unwrap().1,
        BTreeSet::from(["not_finite"]),
        "what is no longer so may be said again"
    );
    resumed.observe(&bad);
    assert_eq!(*again.0.lock().unwrap(), [""; 0]);
    // Two before and one after are three.
    let resumed = Health::new(&experiment, again.clone());
    resumed.recall([bad.clone(), bad.clone()].into_iter());
    resumed.observe(&bad);
    assert_eq!(*again.0.lock().unwrap(), ["not_finite"]);

    let mut counts = [0.0; 100];
    (counts[0], counts[1], counts[11]) = (30.0, 30.0, 40.0);
    let mut known = vitals("TRAIN: {EPOCH: 9}");
    let pass = |counts: &[f64]| {
        let confusion = Confusion::from_counts(counts).unwrap();
        RunEvent::Pass(Box::new(Pass { split: Split::Val, epoch: 1, confusion, ..Pass::default() }))
    };
    known.add(&pass(&counts.map(|count| count / 10.0)));
    assert_eq!(known.chance, 0.1, "too few to tell");
    known.add(&pass(&counts));
    assert_eq!(known.chance, 0.6);
}
