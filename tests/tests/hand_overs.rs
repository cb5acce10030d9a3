//! How often a call passes from one machine to another before the called phone rings: the list in ARCHITECTURE.md.

use ringtrip_testkit::World;

#[test]
fn an_invite_becomes_an_invite_in_few_hand_overs() {
    let mut world = World::demo(1);
    world.register(&["201", "202"]);
    world.write();
    world.phone("201").dial("202");
    world.run(2_000);
    let all = &world.handed_over;
    let is = |way: &'static str| move |what: &String| what.starts_with(way);
    let last = all.iter().position(is("out: INVITE")).expect("the called phone is sent an INVITE");
    let first = all[..last].iter().rposition(is("in: INVITE")).expect("the caller has sent one");
    let passed = &all[first..=last];
    assert!(passed.len() <= 12, "{} hand-overs:\n{}", passed.len(), passed.join("\n"));
    println!("{} hand-overs:\n{}", passed.len(), passed.join("\n"));
}
