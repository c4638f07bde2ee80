use super::*;

fn rates(each: u64) -> Rates {
    Rates(FaultClass::all().map(|class| (class, each)).collect())
}

#[test]
fn a_fault_stays_what_it_was_when_others_go() {
    let full = Plan::draw(Seed(5), 3, &rates(4));
    let mut without = rates(4);
    without.0.remove(&FaultClass::Cuts);
    let less = Plan::draw(Seed(5), 3, &without);
    let mut kept = full.faults.clone();
    kept.retain(|planned| !matches!(planned.fault, Fault::Cut { .. }));
    assert_eq!(kept, less.faults);
    assert!(less.faults.len() < full.faults.len());
}

#[test]
fn every_plan_can_be_run_and_is_the_same_after_a_file() {
    for (seed, members) in (0..200).flat_map(|seed| [1, 3, 5].map(|members| (seed, members))) {
        let plan = Plan::draw(Seed(seed), members, &rates(6));
        assert_eq!(plan.check(members), Ok(()), "seed {seed}, {members} members");
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        for PlannedFault { fault, .. } in &plan.faults {
            let text = serde_json::to_string(fault).unwrap();
            assert!(text.starts_with(&format!("{{\"{}\":", fault.name())), "{text}");
        }
    }
}

#[test]
fn every_class_is_drawn() {
    let drawn: BTreeSet<&str> =
        Plan::draw(Seed(1), 5, &rates(1)).faults.iter().map(|planned| planned.fault.name()).collect();
    assert_eq!(drawn.len(), FaultClass::all().count());
}

#[test]
fn a_swizzle_frees_links_in_another_order() {
    let mut rates = Rates::default();
    rates.0.insert(FaultClass::Swizzles, 50);
    let is_turned = |planned: &PlannedFault| {
        let Fault::Swizzle { clogs } = &planned.fault else { return false };
        let ends = clogs.iter().map(|clog| clog.after_ms + clog.for_ms);
        !ends.is_sorted() && clogs.iter().map(|clog| clog.after_ms).is_sorted()
    };
    assert!(Plan::draw(Seed(1), 5, &rates).faults.iter().any(is_turned));
}

#[test]
fn a_fault_that_does_not_exist_or_has_another_field_is_refused() {
    let read = |text: &str| serde_json::from_str::<Fault>(text).map_err(|error| error.to_string());
    assert_eq!(read(r#"{"kill":{"member":1,"down_ms":5}}"#), Ok(Fault::Kill { member: 1, down_ms: 5 }));
    let unknown = read(r#"{"meteor":{"member":1}}"#).unwrap_err();
    assert!(unknown.contains("unknown variant `meteor`"), "{unknown}");
    let field = read(r#"{"kill":{"member":1,"down_ms":5,"up_ms":1}}"#).unwrap_err();
    assert!(field.contains("unknown field `up_ms`"), "{field}");
}

#[test]
fn a_plan_that_cannot_be_run_says_why() {
    let fault = |fault| PlannedFault { at_ms: 0, fault };
    let plan = |faults| Plan { faults, ends_ms: 1, liveness: Liveness::default() };
    let kill = plan(vec![fault(Fault::Kill { member: 3, down_ms: 1 })]);
    assert_eq!(kill.check(5), Ok(()));
    assert_eq!(
        kill.check(3).unwrap_err(),
        "plan.faults[0] (kill): member 3 of a cluster of 3, counted from 0"
    );
    let wipe = |member| fault(Fault::Wipe { member, stranger_after_ms: None });
    let wipes = plan(vec![wipe(0), wipe(1)]);
    assert_eq!(wipes.check(5), Ok(()));
    assert!(wipes.check(3).unwrap_err().contains("are no quorum"));
    let liveness = Liveness { rest: vec![1], down: vec![2], cut: Vec::new() };
    let plan = Plan { liveness, ..plan(Vec::new()) };
    assert_eq!(plan.check(3).unwrap_err(), "plan.aftermath.down: member 2 is not in rest, [1]");
}
