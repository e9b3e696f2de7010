//! Languages with smaller tables, and the empty table for all others.

use super::{Frames, Words};

/// A language that nothing is known about: phrases by frequency, no frames.
#[rustfmt::skip] // packed word lists
pub(super) const UNKNOWN: Words = Words {
    code: "",
    and: "",
    article: None,
    before_nouns: &[],
    before_verbs: &[],
    after_nouns: &[],
    after_verbs: &[],
    endings: (&[], &[]),
    openers: &[],
    light: &[],
    capital_nouns: false,
    inner: &[],
    leaning: &[],
    moving_on: &[],
    small_talk: &[],
    frames: None,
};

pub(super) static ALL: [&Words; 6] = [&GERMAN, &FRENCH, &SPANISH, &ITALIAN, &PORTUGUESE, &DUTCH];

#[rustfmt::skip] // packed word lists
const GERMAN: Words = Words {
    code: "de",
    and: "und",
    before_nouns: &[
        "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "unser", "unsere",
    ],
    before_verbs: &["ich", "wir", "ihr", "sie", "er", "zu", "nicht", "wer"],
    light: &[
        "ja", "nein", "okay", "ok", "genau", "gut", "super", "danke", "bitte", "hallo", "guten", "morgen", "tag",
        "tschüss", "heute", "gestern", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag",
        "sonntag", "woche", "wochen", "monat", "jahr", "uhr", "zeit", "ding", "dinge", "sache", "sachen", "teil",
        "frage", "fragen", "problem", "beispiel", "halt", "eben", "mal", "schon", "noch", "nur", "immer", "wirklich",
        "vielleicht", "natürlich", "eigentlich", "äh", "ähm", "also", "alle", "leute", "ende", "anfang", "wurde",
        "wurden", "müssen", "muss", "können", "kann", "gibt", "geht", "gehen", "machen", "macht", "gemacht", "sagen",
        "sagt", "gesagt", "sollte", "sollten",
    ],
    capital_nouns: true,
    openers: &["ja", "okay", "ok", "gut", "genau", "also", "und", "aber", "super", "danke", "nein", "äh", "ähm"],
    leaning: &["es", "das", "dies", "sie", "er", "und", "aber", "oder", "dann", "deshalb", "weil", "ja", "nein"],
    moving_on: &[
        "nächster punkt", "nächstes thema", "nächsten punkt", "nächsten thema", "kommen wir zu", "letzter punkt",
        "weiter mit",
    ],
    small_talk: &[
        "guten morgen", "guten tag", "hallo", "danke", "tschüss", "auf wiedersehen", "bis morgen", "hört ihr mich",
        "kein problem",
    ],
    frames: Some(Frames {
        about: "{who} haben miteinander gesprochen. Themen: {what}.",
        met: "Teilgenommen: {who}.",
        said: "{who}: „{said}“",
    }),
    ..UNKNOWN
};

#[rustfmt::skip] // packed word lists
const FRENCH: Words = Words {
    code: "fr",
    and: "et",
    before_nouns: &[
        "le", "la", "les", "l", "un", "une", "des", "du", "notre", "nos", "votre", "mon", "ma", "ce", "cette", "ces",
    ],
    before_verbs: &["je", "tu", "il", "elle", "nous", "vous", "on", "ils", "elles", "qui", "ne"],
    light: &[
        "oui", "non", "ok", "okay", "bon", "bonne", "bien", "bonjour", "merci", "euh", "voilà", "alors", "donc",
        "très", "plus", "tout", "tous", "toute", "toutes", "peut", "peux", "faut", "fait", "faire", "va", "vais",
        "aller", "être", "avoir", "a", "chose", "choses", "truc", "aujourd'hui", "demain", "hier", "lundi", "mardi",
        "mercredi", "jeudi", "vendredi", "semaine", "jour", "mois", "an", "heure", "temps", "question", "problème",
        "exemple", "comme", "aussi", "encore", "déjà", "juste", "peu", "beaucoup", "vraiment", "peut-être", "si",
        "où", "quand", "comment", "quoi", "ça", "cela", "c'est", "dire", "dit",
    ],
    inner: &["de", "du", "des", "à", "d"],
    openers: &["oui", "ok", "bon", "bien", "alors", "donc", "et", "mais", "voilà", "non", "euh", "merci"],
    leaning: &["il", "elle", "ils", "ça", "cela", "c'est", "et", "mais", "ou", "donc", "alors", "oui", "non"],
    moving_on: &["passons à", "point suivant", "sujet suivant", "dernier point", "prochain point"],
    small_talk: &["bonjour", "bonsoir", "merci", "au revoir", "à demain", "vous m'entendez", "pas de problème"],
    frames: Some(Frames {
        about: "Participants : {who}. Sujets : {what}.",
        met: "Participants : {who}.",
        said: "{who} : « {said} »",
    }),
    ..UNKNOWN
};

#[rustfmt::skip] // packed word lists
const SPANISH: Words = Words {
    code: "es",
    and: "y",
    before_nouns: &["el", "la", "los", "las", "un", "una", "del", "nuestro", "nuestra", "este", "esta", "cada"],
    before_verbs: &["yo", "tú", "él", "ella", "nosotros", "ellos", "se", "lo", "no", "que"],
    light: &[
        "sí", "no", "vale", "bueno", "buenos", "buenas", "bien", "gracias", "hola", "adiós", "claro", "pues",
        "entonces", "muy", "todo", "todos", "puede", "puedo", "hay", "hacer", "hace", "hecho", "ir", "va", "vamos",
        "voy", "ser", "cosa", "cosas", "hoy", "mañana", "ayer", "lunes", "martes", "miércoles", "jueves", "viernes",
        "semana", "día", "días", "mes", "año", "hora", "tiempo", "pregunta", "problema", "ejemplo", "así", "aquí",
        "ahora", "también", "solo", "sólo", "creo", "quizás",
    ],
    inner: &["de", "del"],
    openers: &["sí", "vale", "bueno", "bien", "pues", "y", "pero", "entonces", "no", "gracias", "claro"],
    leaning: &["eso", "esto", "ello", "él", "ella", "y", "pero", "o", "entonces", "porque", "sí", "no"],
    moving_on: &["siguiente punto", "siguiente tema", "pasemos a", "último punto", "último tema"],
    small_talk: &[
        "buenos días", "buenas tardes", "hola", "gracias", "adiós", "hasta mañana", "me oyen", "no hay problema",
    ],
    frames: Some(Frames {
        about: "Participantes: {who}. Temas: {what}.",
        met: "Participantes: {who}.",
        said: "{who}: «{said}»",
    }),
    ..UNKNOWN
};

#[rustfmt::skip] // packed word lists
const ITALIAN: Words = Words {
    code: "it",
    and: "e",
    before_nouns: &[
        "il", "lo", "la", "i", "gli", "le", "un", "una", "del", "della", "nostro", "nostra", "questo", "questa",
    ],
    before_verbs: &["io", "tu", "lui", "lei", "noi", "voi", "loro", "non", "si", "che"],
    light: &[
        "sì", "no", "ok", "okay", "bene", "buongiorno", "grazie", "ciao", "allora", "quindi", "molto", "tutto",
        "tutti", "può", "posso", "fare", "fatto", "va", "vado", "essere", "cosa", "cose", "oggi", "domani", "ieri",
        "lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "settimana", "giorno", "mese", "anno", "ora", "tempo",
        "domanda", "problema", "esempio", "anche", "così", "qui", "adesso", "forse", "solo", "già", "ancora", "poi",
        "c'è", "dire", "detto",
    ],
    inner: &["di", "del", "della", "dei", "d"],
    openers: &["sì", "ok", "bene", "allora", "quindi", "e", "ma", "no", "grazie"],
    leaning: &["questo", "quello", "ciò", "e", "ma", "o", "quindi", "perché", "sì", "no"],
    moving_on: &["prossimo punto", "passiamo a", "ultimo punto", "prossimo argomento"],
    small_talk: &[
        "buongiorno", "buonasera", "ciao", "grazie", "arrivederci", "a domani", "mi sentite", "nessun problema",
    ],
    frames: Some(Frames {
        about: "Partecipanti: {who}. Argomenti: {what}.",
        met: "Partecipanti: {who}.",
        said: "{who}: «{said}»",
    }),
    ..UNKNOWN
};

#[rustfmt::skip] // packed word lists
const PORTUGUESE: Words = Words {
    code: "pt",
    and: "e",
    before_nouns: &["o", "a", "os", "as", "um", "uma", "do", "da", "nosso", "nossa", "este", "esta", "cada"],
    before_verbs: &["eu", "você", "ele", "ela", "nós", "eles", "não", "que", "se"],
    light: &[
        "sim", "não", "ok", "okay", "bom", "boa", "bem", "obrigado", "obrigada", "olá", "oi", "tchau", "então",
        "muito", "tudo", "todos", "pode", "posso", "fazer", "feito", "faz", "ir", "vai", "vou", "vamos", "ser",
        "coisa", "coisas", "hoje", "amanhã", "ontem", "segunda", "terça", "quarta", "quinta", "sexta",
        "segunda-feira", "sexta-feira", "semana", "dia", "dias", "mês", "ano", "hora", "tempo", "pergunta",
        "problema", "exemplo", "também", "aqui", "agora", "talvez", "só", "acho", "gente",
    ],
    inner: &["de", "do", "da", "dos", "das"],
    openers: &["sim", "ok", "bom", "bem", "então", "e", "mas", "não", "obrigado", "obrigada"],
    leaning: &["isso", "isto", "ele", "ela", "e", "mas", "ou", "então", "porque", "sim", "não"],
    moving_on: &["próximo ponto", "próximo assunto", "vamos passar", "último ponto"],
    small_talk: &[
        "bom dia", "boa tarde", "olá", "obrigado", "obrigada", "tchau", "até amanhã", "estão me ouvindo",
        "sem problema",
    ],
    frames: Some(Frames {
        about: "Participantes: {who}. Assuntos: {what}.",
        met: "Participantes: {who}.",
        said: "{who}: “{said}”",
    }),
    ..UNKNOWN
};

#[rustfmt::skip] // packed word lists
const DUTCH: Words = Words {
    code: "nl",
    and: "en",
    before_nouns: &["de", "het", "een", "onze", "ons", "jouw", "mijn", "deze", "dit", "elke"],
    before_verbs: &["ik", "jij", "je", "wij", "we", "zij", "ze", "hij", "te", "niet", "wie"],
    light: &[
        "ja", "nee", "oké", "ok", "okay", "goed", "prima", "bedankt", "dank", "hallo", "hoi", "doei", "goedemorgen",
        "dus", "heel", "alles", "allemaal", "kan", "kunnen", "moet", "moeten", "gaan", "gaat", "doen", "gedaan",
        "zeggen", "ding", "dingen", "vandaag", "morgen", "gisteren", "maandag", "dinsdag", "woensdag", "donderdag",
        "vrijdag", "week", "dag", "maand", "jaar", "uur", "tijd", "vraag", "probleem", "voorbeeld", "ook", "hier",
        "nu", "misschien", "alleen", "nog", "even", "echt", "gewoon",
    ],
    openers: &["ja", "oké", "ok", "goed", "dus", "en", "maar", "nee", "bedankt", "prima"],
    leaning: &["het", "dat", "dit", "ze", "hij", "en", "maar", "of", "dan", "dus", "want", "ja", "nee"],
    moving_on: &["volgende punt", "volgend punt", "volgende onderwerp", "laatste punt", "door naar"],
    small_talk: &[
        "goedemorgen", "goedemiddag", "hallo", "bedankt", "dank je", "tot ziens", "tot morgen",
        "kunnen jullie me horen", "geen probleem",
    ],
    frames: Some(Frames {
        about: "{who} spraken met elkaar. Onderwerpen: {what}.",
        met: "Deelnemers: {who}.",
        said: "{who}: “{said}”",
    }),
    ..UNKNOWN
};
