//! Cues of other languages: fewer, and only those that are hard to mistake. Requests and agreement to proposals, which
//! need more grammar, are known in English only.

use super::cues::Cues;

/// All of them.
pub(super) static OTHERS: [&Cues; 6] = [&GERMAN, &FRENCH, &SPANISH, &ITALIAN, &PORTUGUESE, &DUTCH];

#[rustfmt::skip] // packed word lists
const NONE: Cues = Cues {
    code: "",
    own: &[],
    own_if_task: &[],
    named: &[],
    group: &[],
    proposal: &[],
    request: &[],
    imperative: &[],
    label: &[],
    tasks: &[],
    no_tasks: &[],
    in_call: &[],
    negations: &[],
    hedges: &[],
    subordinate: &[],
    adverbs: &[],
    clause_ends: &[],
    joins: &[],
    decided: &[],
    choosing: &[],
    choices: &[],
    proposing: &[],
    stating: &[],
    subordinators: &[],
    agreeing: &[],
    accepting: &[],
    refusing: &[],
    pronouns: &[],
    pointers: &[],
    days: &[],
    before_days: &[],
    after_days: &[],
    times: &[],
    events: &[],
};

#[rustfmt::skip] // packed word lists
const GERMAN: Cues = Cues {
    code: "de",
    own: &["ich werde", "ich kümmere mich um", "ich übernehme"],
    named: &["wird", "kümmert sich um", "übernimmt", "soll"],
    group: &["wir müssen"],
    no_tasks: &["sehen", "sein", "mal sehen", "wissen", "das nicht", "es nicht", "versuchen zu verstehen"],
    negations: &["nicht", "nie", "kein", "keine", "keinen"],
    hedges: &["vielleicht", "eventuell", "glaube nicht", "nicht sicher"],
    subordinate: &["wenn", "falls", "ob", "was", "wie"],
    adverbs: &["auch", "dann", "noch", "gerne", "natürlich"],
    clause_ends: &["aber", "weil", "damit", "sobald"],
    joins: &["und", "oder"],
    decided: &[
        "wir haben beschlossen", "wir haben entschieden", "wir haben uns entschieden", "wir einigen uns auf",
        "wir haben uns geeinigt", "beschlossen ist", "die entscheidung ist", "wir entscheiden uns für",
    ],
    pronouns: &["es", "sie"],
    pointers: &["das"],
    days: &[
        "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag", "morgen", "heute",
        "ende der woche", "ende des monats", "monatsende", "nächste woche", "nächsten montag", "nächsten freitag",
        "mittag", "übermorgen",
    ],
    before_days: &["bis", "bis zum", "am", "vor", "nächsten", "bis nächsten", "bis spätestens", "ab", "zum", "bis zur"],
    after_days: &["früh", "vormittag", "nachmittag", "abend"],
    times: &[
        "morgen", "heute", "nächste woche", "diese woche", "nächsten monat", "so bald wie möglich", "übermorgen",
        "heute noch",
    ],
    ..NONE
};

#[rustfmt::skip] // packed word lists
const FRENCH: Cues = Cues {
    code: "fr",
    own: &["je vais", "je m'occupe de", "je me charge de"],
    named: &["va", "s'occupe de", "doit"],
    group: &["nous devons", "il faut que nous"],
    no_tasks: &["bien", "voir", "être", "dire", "mal", "très"],
    negations: &["pas", "jamais"],
    hedges: &["peut-être", "pas sûr", "pas sûre", "ne pense pas"],
    subordinate: &["si", "quand", "que"],
    adverbs: &["aussi", "donc", "bien sûr"],
    clause_ends: &["mais", "parce"],
    joins: &["et", "ou"],
    decided: &[
        "nous avons décidé", "on a décidé", "c'est décidé", "la décision est", "nous nous sommes mis d'accord",
        "on est d'accord pour",
    ],
    pronouns: &["le", "la"],
    pointers: &["ça", "cela"],
    days: &[
        "lundi", "mardi", "mercredi", "jeudi", "vendredi", "demain", "la fin de la semaine", "la fin du mois",
        "la semaine prochaine",
    ],
    before_days: &["avant", "d'ici", "pour", "jusqu'à", "ce", "avant le"],
    after_days: &["matin", "après-midi", "soir", "prochain"],
    times: &[
        "demain", "aujourd'hui", "la semaine prochaine", "cette semaine", "le mois prochain", "lundi", "mardi",
        "mercredi", "jeudi", "vendredi", "dès que possible",
    ],
    ..NONE
};

#[rustfmt::skip] // packed word lists
const SPANISH: Cues = Cues {
    code: "es",
    own: &["voy a", "yo me encargo de", "me encargo de"],
    named: &["va a", "se encarga de", "tiene que"],
    group: &["tenemos que"],
    no_tasks: &["ver", "ser", "estar", "decir"],
    hedges: &["quizás", "tal vez", "no", "creo que no"],
    subordinate: &["si", "cuando", "no"],
    adverbs: &["también", "entonces"],
    clause_ends: &["pero", "porque"],
    joins: &["y", "o"],
    decided: &["hemos decidido", "decidimos", "está decidido", "la decisión es", "hemos acordado"],
    pronouns: &["lo", "la"],
    pointers: &["eso"],
    days: &[
        "lunes", "martes", "miércoles", "jueves", "viernes", "mañana", "fin de semana", "final de mes",
        "la próxima semana",
    ],
    before_days: &["el", "antes del", "para el", "para", "hasta el", "este", "el próximo", "a"],
    times: &[
        "mañana", "hoy", "la próxima semana", "la semana que viene", "esta semana", "el próximo mes",
        "lo antes posible",
    ],
    ..NONE
};

#[rustfmt::skip] // packed word lists
const ITALIAN: Cues = Cues {
    code: "it",
    own: &["mi occupo di", "mi occupo io di", "ci penso io a"],
    named: &["si occupa di", "deve"],
    group: &["dobbiamo"],
    no_tasks: &["essere", "dire", "vedere"],
    hedges: &["forse", "non"],
    subordinate: &["se", "quando", "non"],
    clause_ends: &["ma", "perché"],
    joins: &["e", "o"],
    decided: &["abbiamo deciso", "è deciso", "la decisione è", "siamo d'accordo di"],
    days: &["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "domani", "fine settimana", "fine mese"],
    before_days: &["entro", "entro la", "prima di", "per", "entro il"],
    times: &["domani", "oggi", "la prossima settimana", "questa settimana", "il mese prossimo", "appena possibile"],
    ..NONE
};

#[rustfmt::skip] // packed word lists
const PORTUGUESE: Cues = Cues {
    code: "pt",
    own: &["eu vou", "vou", "eu cuido de", "eu me encarrego de"],
    named: &["vai", "tem que", "precisa"],
    group: &["temos que", "precisamos"],
    no_tasks: &["ver", "ser", "estar", "dizer", "bem", "embora"],
    hedges: &["talvez", "não"],
    subordinate: &["se", "quando", "não"],
    clause_ends: &["mas", "porque"],
    joins: &["e", "ou"],
    decided: &["decidimos", "está decidido", "a decisão é", "ficou decidido", "concordamos em"],
    pronouns: &["isso"],
    days: &[
        "segunda", "terça", "quarta", "quinta", "sexta", "segunda-feira", "amanhã", "o fim do mês", "o fim da semana",
    ],
    before_days: &["até", "na", "antes de", "para", "até a"],
    times: &[
        "amanhã", "hoje", "na próxima semana", "na semana que vem", "esta semana", "no próximo mês",
        "o mais rápido possível",
    ],
    ..NONE
};

#[rustfmt::skip] // packed word lists
const DUTCH: Cues = Cues {
    code: "nl",
    own: &["ik zal", "ik ga"],
    named: &["zal", "gaat"],
    group: &["we moeten"],
    no_tasks: &["zien", "zijn", "weten", "weg", "ervan uit", "akkoord"],
    negations: &["niet", "nooit", "geen"],
    hedges: &["misschien", "niet zeker", "denk niet"],
    subordinate: &["als", "wanneer", "of", "wat"],
    adverbs: &["ook", "dan", "graag"],
    clause_ends: &["maar", "omdat", "want"],
    joins: &["en", "of"],
    decided: &["we hebben besloten", "wij hebben besloten", "we hebben afgesproken", "het besluit is"],
    pronouns: &["het", "ze"],
    pointers: &["dat"],
    days: &[
        "maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "morgen", "vandaag", "volgende week",
        "het einde van de week",
    ],
    before_days: &["voor", "op", "tot", "uiterlijk", "volgende", "tegen"],
    after_days: &["ochtend", "middag"],
    times: &["morgen", "vandaag", "volgende week", "deze week", "volgende maand", "zo snel mogelijk"],
    ..NONE
};
