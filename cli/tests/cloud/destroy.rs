//! `solo destroy`.

use crate::world::World;

#[tokio::test]
async fn a_stage_goes_when_that_is_meant() {
    let world = World::new(&["r1"]).await;
    let parameters = [("Stage", "staging"), ("DeletionProtection", "true")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    world.front.stack.lock().unwrap().parameters = parameters.into();
    for arguments in
        [&["destroy", "--stage", "staging"][..], &["destroy", "--stage", "staging", "--yes-delete", "other"]]
    {
        let mut command = world.command(arguments);
        command.stdin(std::process::Stdio::null());
        let (code, text) = crate::world::said(command).await;
        assert!(code == 1 && text.contains("nothing was changed") || text.contains("Nothing was changed"), "{text}");
        assert!(text.contains("final snapshot"), "{text}");
    }
    assert_eq!(world.front.stack.lock().unwrap().count("UpdateStack"), 0);

    let (code, text) = world.solo(&["destroy", "--stage", "staging", "--yes-delete", &world.stack]).await;
    assert!(code == 0 && text.contains("staging is gone"), "{text}");
    let stack = world.front.stack.lock().unwrap().clone();
    let form = stack.form_of("UpdateStack");
    assert_eq!(stack.parameters["DeletionProtection"], "false");
    assert_eq!((&*form["UsePreviousTemplate"], stack.count("DeleteStack")), ("true", 1));
    let (code, text) = world.solo(&["destroy", "--stage", "staging"]).await;
    assert!(code == 0 && text.contains("nothing to delete"), "{text}");
}
