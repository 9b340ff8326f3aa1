"""What column headers mean, in English, Spanish, German, Portuguese and French.

Phrases are folded: lower case, no accents, words separated by one space. Their order is their rank.
"""

from __future__ import annotations

import re
import unicodedata


def phrases(listed: str) -> tuple[str, ...]:
    """`a | b c` → (`a`, `b c`)."""
    return tuple(phrase.strip() for phrase in listed.replace("\n", " ").split("|") if phrase.strip())


TEXT_ROLES = {
    "subject": phrases(
        "short description | subject | title | headline | summary | asunto | titulo | descripcion corta | resumen"
        "| descripcion breve | betreff | kurzbeschreibung | titel | assunto | resumo | descricao resumida | sujet"
        "| objet | titre | resume"
    ),
    "body": phrases(
        "description | body | descripcion | cuerpo | beschreibung | descricao | corpo | corps | customer message"
        "| message | mensaje | nachricht | mensagem | text | texto | texte | document | documento | content"
        "| contenido | inhalt | conteudo | contenu | details | detalle | detalles | utterance | query | question"
        "| consulta | pregunta | anfrage | issue | incidencia | problem | problema | request text | complaint"
        "| consumer complaint narrative | narrative | ticket | sentence | comment | comentario"
    ),
}
PLAIN_ROLES = {
    "id": phrases(
        "id | number | ticket id | ticket number | incident number | issue key | key | case number | request id"
        "| case id | sys id | numero | numero de ticket | id ticket | codigo | folio | ticketnummer | nummer | row"
        "| incident id | index | reference | referencia | guid | uuid"
    ),
    "time": phrases(
        "opened at | opened | created at | created | created on | created time | creation date | created date"
        "| sys created on | open time | open date | date created | reported at | reported date | submitted at"
        "| submitted | received at | received | timestamp | time | datetime | date | fecha de apertura"
        "| fecha apertura | fecha de creacion | fecha creacion | fecha alta | fecha de alta | creado | abierto"
        "| fecha | erstellt am | erstellt | eroffnet | datum | data de abertura | data de criacao | criado em"
        "| aberto em | date de creation | cree le | ouvert le | date d ouverture"
    ),
    "group": phrases(
        "template | template id | plantilla | vorlage | modele | scenario | escenario | thread | thread id"
        "| conversation id | conversation | parent incident | problem id | cluster | cluster id"
    ),
    "language": phrases("language | lang | idioma | sprache | lingua | langue | locale | detected language"),
    "abstain": phrases("abstain | needs human | abstencion"),
}
LABEL_ROLES = {
    "category": phrases(
        "category | categoria | kategorie | categorie | ticket category | incident category | label | class | intent"
        "| target | topic | topic group | tema | thema | etiqueta | clase | queue | cola | warteschlange | fila"
        "| intencion | product | issue"
    ),
    "subcategory": phrases(
        "subcategory | sub category | subcategoria | sub categoria | unterkategorie | sous categorie | sub category 1"
        "| sub category1 | sub category 2 | sub category2 | subtopic | subtema | sub issue | sub product"
    ),
    "assignment_group": phrases(
        "assignment group | assigned group | support group | resolver group | group | team | grupo de asignacion"
        "| grupo asignado | grupo resolutor | grupo de soporte | grupo | equipo | zuweisungsgruppe | supportgruppe"
        "| gruppe | team zugewiesen | grupo de atribuicao | groupe d affectation | groupe | department | departamento"
        "| abteilung"
    ),
    "request_type": phrases(
        "request type | ticket type | issue type | type | case type | tipo de solicitud | tipo de ticket | tipo"
        "| tipo de incidencia | anfragetyp | tickettyp | typ | tipo de chamado | type de demande | record type"
    ),
    "application": phrases(
        "application | app | business service | configuration item | ci | cmdb ci | affected service | service | system"
        "| software | aplicacion | servicio | sistema | servicio afectado | elemento de configuracion | anwendung"
        "| dienst | aplicativo | aplicacao | servico | application concernee"
    ),
    "priority": phrases(
        "priority | prioridad | prioritat | prioridade | priorite | severity | severidad | gravedad"
    ),
    "urgency": phrases("urgency | urgencia | dringlichkeit | urgence"),
    "impact": phrases("impact | impacto | auswirkung"),
}
IGNORED = phrases(
    "state | status | estado | stage | assigned to | asignado a | assignee | agent | agente | owner | caller | caller id"
    "| requester | requested for | requested by | solicitante | usuario | user | name | nombre | customer | cliente"
    "| opened by | created by | creado por | updated by | resolved by | closed by | cerrado por | reporter | contact"
    "| location | ubicacion | site | sede | city | country | pais | company | empresa | channel | canal | contact type"
    "| source | origen | made sla | sla | breached | escalation | reopened | reopen count | reassignment count"
    "| resolution | resolucion | resolution code | close code | close notes | resolution notes | solution | solucion"
    "| work notes | comments and work notes | notes | notas | answer | respuesta | response | reply | updated | updated at"
    "| closed | closed at | resolved | resolved at | due date | fecha de cierre | cierre | actualizado | active | activo"
    "| knowledge | split | tags | email | phone | telefono | satisfaction | first response"
    "| time to resolution | row number | closing code | watch list"
)
"""Known only after the ticket was worked on, about people, or bookkeeping: neither text nor something to predict."""

LOOSE = 1000
"""Ranks from here on mean that the header only holds the phrase."""
WEAK = frozenset(
    phrases("ticket | issue | problem | problema | incidencia | objet | comment | comentario | content | row")
)
"""Headers that say too little: the cells must look the part as well."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[\W_]+")


def fold_header(header: str) -> str:
    """A header as plain words: `ShortDescription`, `short_description` and `Short Description:` are the same."""
    spaced = _CAMEL.sub(" ", header)
    plain = "".join(ch for ch in unicodedata.normalize("NFKD", spaced) if not unicodedata.combining(ch))
    return _NOT_WORD.sub(" ", plain).strip().casefold()


def rank(header: str, known: tuple[str, ...]) -> int:
    """How well a header fits a list of phrases, 0 being best; -1 when it does not.

    The phrase itself comes first, then a header that ends with it, starts with it, or holds its several words.
    """
    folded = fold_header(header)
    if folded in known:
        return known.index(folded)
    ends, starts, holds = (LOOSE * step for step in (1, 2, 3))
    ranks = [ends + i for i, phrase in enumerate(known) if folded.endswith(f" {phrase}")]
    ranks += [starts + i for i, phrase in enumerate(known) if folded.startswith(f"{phrase} ")]
    ranks += [holds + i for i, phrase in enumerate(known) if " " in phrase and f" {phrase} " in f" {folded} "]
    return min(ranks, default=-1)
