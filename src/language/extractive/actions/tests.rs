//! One table per language: what is a decision or a next step, and what only looks like one.

use super::*;
use crate::language::scripts::script;

fn found(language: &str, text: &str) -> (Vec<String>, Vec<String>) {
    let meeting = script(text, language);
    let items = action_items(&Reading::of(&meeting));
    let steps = items.next_steps.into_iter().map(|step| {
        format!("{}: {} [{}]", step.assignee.unwrap_or("-".into()), step.task, step.deadline.unwrap_or("-".into()))
    });
    (items.decisions, steps.collect())
}

#[test]
fn next_steps_have_task_assignee_and_deadline() {
    let table: &[(&str, &[&str])] = &[
        ("Ann: I will send the report by Friday.", &["Ann: Send the report [by Friday]"]),
        ("Ann: I'll draft the contract next week.", &["Ann: Draft the contract [next week]"]),
        ("Ann: Okay, I can check the logs tomorrow.", &["Ann: Check the logs [tomorrow]"]),
        (
            "Ann: I\u{2019}m going to call the landlord before the release.",
            &["Ann: Call the landlord [before the release]"],
        ),
        ("Ann: Hello.\nBen: Ann will update the wiki on Monday.", &["Ann: Update the wiki [on Monday]"]),
        ("Ann: Hello.\nBen: Ann, can you book the room?", &["Ann: Book the room [-]"]),
        ("Ann: Hello.\nBen: Can you book the room by Tuesday, Ann?", &["Ann: Book the room [by Tuesday]"]),
        ("Ann: Hello.\nBen: Ann, please order the new chairs.", &["Ann: Order the new chairs [-]"]),
        ("Ann: Could you review the contract?\nBen: Sure, no problem.", &["Ben: Review the contract [-]"]),
        ("Ann: Ben, can you add the index?\nBen: Yes, I can do that today.", &["Ben: Add the index [today]"]),
        ("Ann: Please send me the slides, Ben.\nBen: Will do.", &["Ben: Send Ann the slides [-]"]),
        (
            "Ann: We need to renew the certificate before the end of the month.",
            &["-: Renew the certificate [before the end of the month]"],
        ),
        ("Ann: Somebody needs to clean the kitchen.", &["-: Clean the kitchen [-]"]),
        ("Ann: Let's discuss the salaries on Thursday at three.", &["-: Discuss the salaries [on Thursday at three]"]),
        (
            "Ann: I'll write the text and Ben will make the pictures.\nBen: Fine.",
            &["Ann: Write the text [-]", "Ben: Make the pictures [-]"],
        ),
        ("Ann: I'll fix the login page, it's a small thing.", &["Ann: Fix the login page [-]"]),
        (
            "Ann: I will send the invoice.\nBen: Good.\nAnn: So I'll send the invoice tomorrow.",
            &["Ann: Send the invoice [tomorrow]"],
        ),
        (
            "Ann: Who sends the report to the customer?\nBen: I can send it tomorrow.",
            &["Ben: Send it (the report) [tomorrow]"],
        ),
        ("Ann: The action item is to rotate the keys.", &["-: Rotate the keys [-]"]),
        (
            "Ann Lee: Hello.\nBen: Ann is going to visit the warehouse in two weeks.",
            &["Ann Lee: Visit the warehouse [in two weeks]"],
        ),
    ];
    for (text, steps) in table {
        assert_eq!(found("en", text).1, *steps, "{text}");
    }
}

#[test]
fn what_only_looks_like_a_next_step_is_none() {
    let table = [
        "Ann: I will not send the report.",
        "Ann: I won't send the report by Friday.",
        "Ann: I'll never write that code again.",
        "Ann: Will Ben send the report?\nBen: Hm.",
        "Ann: Who will send the report to the customer?",
        "Ann: I'll be there on Monday.",
        "Ann: I'll see what happens.",
        "Ann: Maybe I will write the report.",
        "Ann: I'm not sure if I will finish the report on Friday.",
        "Ann: I don't think I will call the customer.",
        "Ann: Can you hear me?\nBen: Yes.",
        "Ann: Ben, can you give us an update on the release?\nBen: Sure.",
        "Ann: Ben, can you fix the lamp?\nBen: No, I can't.",
        "Ann: Can you book the room?\nBen: The weather is nice.",
        "Ann: I can see your screen.",
        "Ann: I have to join again.",
        "Ann: The customer will send the report on Monday.",
        "Ann: It will rain tomorrow.",
        "Ann: We will see.",
        "Ann: Let's start the standup.",
        "Ann: When I will write the book, everything changes.",
        "Ann: He said I will write the report.",
        "Ann: Thank you, see you next week.",
        "Ann: I can do that.",
        "Ann: I will.",
    ];
    for text in table {
        assert_eq!(found("en", text).1, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn decisions_are_what_was_settled() {
    let table: &[(&str, &[&str])] = &[
        ("Ann: So we decided to use the small office.", &["We decided to use the small office."]),
        ("Ann: Okay, let's go with the blue logo.", &["Let's go with the blue logo."]),
        ("Ann: We will use the old server.", &["We will use the old server."]),
        ("Ann: We are not going to support the old phones.", &["We are not going to support the old phones."]),
        ("Ann: We should hire a second tester.\nBen: Agreed.", &["We should hire a second tester."]),
        ("Ann: What if we move the meeting to Monday?\nBen: Good idea.", &["Move the meeting to Monday."]),
        ("Ann: I propose that we sell the car.\nBen: Sounds good.", &["We sell the car."]),
        ("Ann: Agreed, we'll keep the price.", &["We'll keep the price."]),
        ("Ann: We decided nothing?\nBen: Right.", &[]),
        ("Ann: Maybe we will use the old server.", &[]),
        ("Ann: If we decided to use the small office, it would be loud.", &[]),
        ("Ann: We should hire a second tester.\nBen: I can't agree to that.", &[]),
        ("Ann: We should hire a second tester.\nAnn: Agreed.", &[]),
        ("Ann: Should we use the old server?", &[]),
        ("Ann: Agreed.", &[]),
        ("Ann: We will see.", &[]),
    ];
    for (text, decisions) in table {
        assert_eq!(found("en", text).0, *decisions, "{text}");
    }
}

#[test]
fn other_languages_have_their_plainest_cues() {
    let table = [
        ("de", "Ann: Ich werde den Bericht bis Freitag schicken.", "Ann: Den Bericht schicken [bis Freitag]"),
        ("de", "Ann: Hallo.\nBen: Ann wird morgen den Server prüfen.", "Ann: Den Server prüfen [morgen]"),
        ("fr", "Ann: Je vais envoyer le rapport demain.", "Ann: Envoyer le rapport [demain]"),
        ("es", "Ann: Voy a enviar el informe mañana.", "Ann: Enviar el informe [mañana]"),
        ("it", "Ann: Mi occupo di scrivere il rapporto entro domani.", "Ann: Scrivere il rapporto [entro domani]"),
        ("pt", "Ann: Eu vou enviar o relatório amanhã.", "Ann: Enviar o relatório [amanhã]"),
        ("nl", "Ann: Ik zal het rapport morgen sturen.", "Ann: Het rapport sturen [morgen]"),
    ];
    for (language, text, step) in table {
        assert_eq!(found(language, text).1, [step], "{language}");
    }
    assert_eq!(found("de", "Ann: Wir haben beschlossen, das alte Büro zu behalten.").0.len(), 1);
    assert_eq!(found("de", "Ann: Ich werde nicht kommen. Wirst du kommen?").1, Vec::<String>::new());
}

#[test]
fn a_language_without_cues_has_no_action_items() {
    for language in ["ja", "xx", ""] {
        assert_eq!(found(language, "Ann: I will send the report by Friday."), (vec![], vec![]));
    }
}
