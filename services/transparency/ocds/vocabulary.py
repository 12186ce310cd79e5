"""Words that publishers use for the codes of OCDS codelists, and for countries, currencies, languages and months.

Spellings are compared folded: case, accents, punctuation and spaces do not count. To add the words of a country, add
them to a table here; a word that is in no table is counted as not understood.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

NOTHING = frozenset(
    {
        "-",
        "--",
        "—",
        ".",
        "...",
        "n/a",
        "na",
        "n.a",
        "n.a.",
        "null",
        "none",
        "nil",
        "s/d",
        "s/n",
        "sin dato",
        "no aplica",
    }
)
"""Casefolded texts that mean that a value is absent."""


@lru_cache(maxsize=50_000)
def folded(text: str) -> str:
    """A form of the text for comparisons: that of "Licitaţie publică" and "LICITATIE_PUBLICA" is the same."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[\W_]+", "", "".join(sign for sign in plain if not unicodedata.combining(sign)))


def _table(words: Mapping[str, str]) -> dict[str, str]:
    """Turn code → spellings (separated by "|") into folded spelling → code. A code is also its own spelling."""
    return {
        folded(word): code
        for code, spellings in words.items()
        for word in (code, *spellings.split("|"))
        if word.strip()
    }


_TENDER_STATUS = _table(
    {
        "planning": "planificación|planeación|prévu",
        "planned": "planificada|planificado|programado|convocada próxima|forthcoming",
        "active": "open|opened|published|publicado|publicada|en curso|abierto|abierta|vigente|convocado|convocada|in progress|"
        "primirea ofertelor|evaluarea ofertelor|active.enquiries|active.tendering|active.auction|active.qualification|"
        "active.awarded|active.pre-qualification|evaluation|en evaluación|borrador publicado|aberta|em andamento|ouvert|en cours",
        "cancelled": "canceled|cancelado|cancelada|anulado|anulada|anulat|anulată|annulé|annulée|revogada|revocada|suspendida|"
        "suspendido|suspended|licitaţie anulată",
        "unsuccessful": "desierto|desierta|fracasado|fracassada|deserta|sans suite|infructueux|nerealizat|fara rezultat|failed",
        "complete": "completed|closed|awarded|finished|finalizado|finalizada|adjudicado|adjudicada|cerrado|cerrada|concluído|"
        "executarea contractului|terminat|încheiat|encerrada|homologada|attribué|terminé|ejecutado|contract signed",
        "withdrawn": "retirado|retirada|retiré|retras",
    }
)
_AWARD_STATUS = _table(
    {
        "pending": "pendiente|provisional|en attente|pendente",
        "active": "awarded|accepted|final|adjudicado|adjudicada|vigente|activo|activa|attribué|definitivo|won|winner",
        "cancelled": "canceled|cancelado|cancelada|anulado|anulada|annulé|anulat|revoked|cancelación",
        "unsuccessful": "desierto|desierta|fracasado|deserta|no award|infructueux|no adjudicado|rejected",
    }
)
_CONTRACT_STATUS = _table(
    {
        "pending": "pendiente|draft|borrador|planned|en attente",
        "active": "signed|vigente|activo|activa|firmado|en ejecución|ejecución|celebrado|înregistrat(ă)|înregistrat|înregistrată|"
        "approved|registered|in progress|implementation|executarea contractului|en cours|vigor|adjudicado",
        "cancelled": "canceled|cancelado|cancelada|anulado|anulada|anulat|annulé|rescindido",
        "terminated": "terminado|terminada|finalizado|finalizada|completed|complete|closed|liquidado|ended|finished|expired|"
        "concluded|reziliat|terminé|encerrado|cerrado|executat",
    }
)
_BID_STATUS = _table(
    {
        "invited": "invitado|invitada",
        "pending": "submitted|received|presentada|pendiente|draft",
        "valid": "qualified|accepted|active|valida|válido|admitida|admitido|habilitado|calificado|evaluated|winner|winning|ganadora|"
        "awarded|adjudicada|successful",
        "disqualified": "not-qualified|notqualified|unqualified|rejected|invalid|descalificada|descalificado|rechazada|inadmisible|"
        "no admitida|unsuccessful|failed|excluded|disqualifiedbid",
        "withdrawn": "retirada|retirado|retiré|deleted|cancelled|canceled",
    }
)
_METHOD = _table(
    {
        "open": "open tender|open bidding|open tendering|open procedure|licitaţie publică|licitatie deschisă|licitación pública|"
        "licitación abierta|concurso público|concurso|pregão|pregão eletrônico|pregao|concorrência|procédure ouverte|appel d'offres ouvert|"
        "subasta|subasta inversa|electronic reverse auction|licitação|competitive|international competitive bidding|"
        "national competitive bidding|belowThreshold|aboveThresholdUA|aboveThresholdEU|traditional competitive|competitive open",
        "selective": "cerere a ofertelor de preţuri|cererea ofertelor de prețuri|"
        "request for quotation|request for quotations|rfq|restricted|"
        "restricted procedure|shortlist|selective tendering|invitación|invitación a cuando menos tres personas|convite|"
        "licitación privada|procédure restreinte|framework agreement|registro de preços|cotación|shopping|advance contract award notice|"
        "traditional competitive selective|competitive selective",
        "limited": "limited tendering|negotiated|negotiated procedure|negotiation|procedimiento negociado|negociere|procédure négociée|"
        "contratación mínima cuantía|menor cuantía|competitive limited",
        "direct": "direct procurement|single source|sole source|contratación directa|contratación directa (ley 1150 de 2007)|"
        "adjudicación directa|compra directa|dispensa|dispensa de licitação|inexigibilidade|inexigibilidade de licitação|gré à gré|"
        "marché de gré à gré|achiziţie directă|reporting|non-competitive|direct award|trato directo|emergencia|traditional non-competitive",
    }
)
_KIND = _table(
    {
        "goods": "good|bienes|bien|bunuri|fournitures|supplies|supply|materiais|товары|equipment",
        "services": "service|servicios|servicio|servicii|serviços|consultingServices|consulting services|consultancy|consultoría|"
        "prestations intellectuelles|услуги|nonConsultingServices|general services",
        "works": "work|obras|obra|lucrări|travaux|construction|работы|civil works|public works",
    }
)


def tender_status(text: str) -> str | None:
    return _TENDER_STATUS.get(folded(text))


def award_status(text: str) -> str | None:
    return _AWARD_STATUS.get(folded(text))


def contract_status(text: str) -> str | None:
    return _CONTRACT_STATUS.get(folded(text))


def bid_status(text: str) -> str | None:
    return _BID_STATUS.get(folded(text))


def method(text: str) -> str | None:
    return _METHOD.get(folded(text))


def kind(text: str) -> str | None:
    return _KIND.get(folded(text))


_SCHEME = _table(
    {
        "CPV": "cpv2008|cpv-2008|cpv codes|common procurement vocabulary|ДК021|CPVS",
        "UNSPSC": "unspc|unspsc codes",
        "GSIN": "",
        "CATMAT": "br-catmat",
        "PY-DNCP": "Catálogo de productos, bienes y servicios de la Dirección Nacional de Contrataciones Públicas del Paraguay|"
        "x_catalogoNivel5DNCP|catalogoNivel5DNCP|x_catalogonivel5dncp",
        "OKPD2": "okpd-2|ОКПД2",
    }
)
_IDENTIFIER_SCHEME = _table(
    {
        "PY-RUC": "Registro Único de Contribuyente emitido por el Ministerio de Hacienda del Gobierno de Paraguay",
        "CO-NIT": "nit|nit de persona natural|nit de persona jurídica|Nit de Persona Jur�dica",
        "CO-CC": "cédula de ciudadanía|C�dula de Ciudadan�a",
    }
)


def classification_scheme(text: str) -> str:
    """The usual short name of a classification; others are returned unchanged."""
    return _SCHEME.get(folded(text), text)


def identifier_scheme(text: str) -> str:
    """The org-id.guide list code of a scheme that is known by another name; others are returned unchanged."""
    return _IDENTIFIER_SCHEME.get(folded(text), text)


_COUNTRY = _table(
    {
        "AF": "AFG|Afghanistan",
        "AL": "ALB|Albania|Shqipëria",
        "AM": "ARM|Armenia|Հայաստան|Hayastan|Армения|Republic of Armenia|ՀՀ|Հայաստանի Հանրապետություն",
        "AR": "ARG|Argentina|República Argentina",
        "AT": "AUT|Austria|Österreich",
        "AU": "AUS|Australia",
        "AZ": "AZE|Azerbaijan|Azərbaycan",
        "BA": "BIH|Bosnia and Herzegovina|Bosna i Hercegovina",
        "BE": "BEL|Belgium|Belgique|België",
        "BF": "BFA|Burkina Faso",
        "BG": "BGR|Bulgaria|България",
        "BO": "BOL|Bolivia",
        "BR": "BRA|Brazil|Brasil",
        "BY": "BLR|Belarus|Беларусь",
        "CA": "CAN|Canada",
        "CH": "CHE|Switzerland|Schweiz|Suisse",
        "CL": "CHL|Chile|República de Chile",
        "CN": "CHN|China",
        "CO": "COL|Colombia|República de Colombia",
        "CR": "CRI|Costa Rica",
        "CZ": "CZE|Czech Republic|Czechia|Česko",
        "DE": "DEU|Germany|Deutschland|Allemagne|Alemania",
        "DK": "DNK|Denmark|Danmark",
        "DO": "DOM|Dominican Republic|República Dominicana",
        "EC": "ECU|Ecuador",
        "EE": "EST|Estonia|Eesti",
        "ES": "ESP|Spain|España|Espagne",
        "FI": "FIN|Finland|Suomi",
        "FR": "FRA|France|Francia|Frankreich",
        "GB": "GBR|UK|United Kingdom|Great Britain|England|Scotland|Wales|Northern Ireland|Reino Unido|Royaume-Uni",
        "GE": "GEO|Georgia|საქართველო|Грузия",
        "GH": "GHA|Ghana",
        "GR": "GRC|EL|Greece|Ελλάδα",
        "GT": "GTM|Guatemala",
        "HN": "HND|Honduras",
        "HR": "HRV|Croatia|Hrvatska",
        "HU": "HUN|Hungary|Magyarország",
        "ID": "IDN|Indonesia",
        "IE": "IRL|Ireland",
        "IN": "IND|India",
        "IR": "IRN|Iran",
        "IL": "ISR|Israel",
        "IT": "ITA|Italy|Italia|Italie",
        "JP": "JPN|Japan",
        "KE": "KEN|Kenya",
        "KG": "KGZ|Kyrgyzstan|Kyrgyz Republic|Кыргызстан|Киргизия",
        "KR": "KOR|South Korea|Republic of Korea",
        "KZ": "KAZ|Kazakhstan|Казахстан",
        "LR": "LBR|Liberia",
        "LT": "LTU|Lithuania|Lietuva",
        "LV": "LVA|Latvia|Latvija",
        "MD": "MDA|Moldova|Republica Moldova|Republic of Moldova|Молдова",
        "MK": "MKD|North Macedonia|Macedonia",
        "MM": "MMR|Myanmar",
        "MW": "MWI|Malawi",
        "MX": "MEX|Mexico|México|Estados Unidos Mexicanos",
        "NG": "NGA|Nigeria",
        "NI": "NIC|Nicaragua",
        "NL": "NLD|Netherlands|Nederland|The Netherlands|Países Bajos",
        "NO": "NOR|Norway|Norge",
        "NP": "NPL|Nepal",
        "NZ": "NZL|New Zealand|Aotearoa",
        "PA": "PAN|Panama|Panamá",
        "PE": "PER|Peru|Perú",
        "PH": "PHL|Philippines",
        "PK": "PAK|Pakistan",
        "PL": "POL|Poland|Polska",
        "PT": "PRT|Portugal",
        "PY": "PRY|Paraguay|República del Paraguay",
        "RO": "ROU|Romania|România",
        "RS": "SRB|Serbia|Srbija",
        "RU": "RUS|Russia|Russian Federation|Россия|Российская Федерация",
        "RW": "RWA|Rwanda",
        "SE": "SWE|Sweden|Sverige",
        "SI": "SVN|Slovenia|Slovenija",
        "SK": "SVK|Slovakia|Slovensko",
        "SN": "SEN|Senegal|Sénégal",
        "SV": "SLV|El Salvador",
        "TN": "TUN|Tunisia|Tunisie",
        "TR": "TUR|Turkey|Türkiye",
        "TZ": "TZA|Tanzania",
        "UA": "UKR|Ukraine|Україна|Украина",
        "UG": "UGA|Uganda",
        "US": "USA|United States|United States of America|Estados Unidos|États-Unis",
        "UY": "URY|Uruguay|República Oriental del Uruguay",
        "UZ": "UZB|Uzbekistan|Oʻzbekiston",
        "VE": "VEN|Venezuela",
        "VN": "VNM|Vietnam|Viet Nam",
        "ZA": "ZAF|South Africa",
        "ZM": "ZMB|Zambia",
        "ZW": "ZWE|Zimbabwe",
    }
)
COUNTRIES = frozenset(_COUNTRY.values())

_CURRENCIES = """
    AMD:AM ARS:AR AUD:AU AZN:AZ BGN:BG BOB:BO BRL:BR BYN:BY CAD:CA CLP:CL CLF:CL COP:CO CRC:CR CZK:CZ DKK:DK DOP:DO
    GBP:GB GEL:GE GHS:GH GTQ:GT HNL:HN HUF:HU IDR:ID INR:IN KES:KE KGS:KG KZT:KZ MDL:MD MKD:MK MWK:MW MXN:MX NGN:NG NIO:NI
    NOK:NO NPR:NP NZD:NZ PEN:PE PHP:PH PKR:PK PLN:PL PYG:PY RON:RO RSD:RS RUB:RU RWF:RW SEK:SE TZS:TZ UAH:UA UGX:UG UYU:UY
    UZS:UZ VND:VN ZAR:ZA ZMW:ZM
"""
_CURRENCY_COUNTRY = dict(pair.split(":") for pair in _CURRENCIES.split())


def country(text: str) -> str | None:
    """The ISO 3166-1 alpha-2 code of a name or code in one of the languages of the tables."""
    return _COUNTRY.get(folded(text))


def country_of_currency(currency: str) -> str | None:
    """The only country that uses the currency; None if several do."""
    return _CURRENCY_COUNTRY.get(currency)


def country_of_scheme(scheme: str) -> str | None:
    """The country of an org-id.guide list code, which begins with it: "AM-TIN"."""
    prefix, mark, _ = scheme.partition("-")
    return prefix if mark and prefix in COUNTRIES else None


def country_of_address(address: str) -> str | None:
    """The country of a web address's top-level domain. ".co" and others that anybody may buy count only below "gov"."""
    found = re.match(r"(?:https?://)?(?:[^/:@]*\.)?([a-z-]+)\.([a-z]{2})(?:[/:]|$)", address.strip().casefold())
    if not found or (found[2] in ("co", "io", "me", "tv", "ai", "cc", "la") and found[1] not in ("gov", "gob", "gouv")):
        return None
    return _COUNTRY.get("gb" if found[2] == "uk" else found[2])


TOTALS = frozenset(
    {
        "total",
        "totals",
        "subtotal",
        "totales",
        "total general",
        "totais",
        "grand total",
        "sum",
        "suma",
        "soma",
        "итого",
        "всего",
    }
)
"""The first words of a row with a total."""
CURRENCY_WORDS = {
    "$b": "BOB",
    "r$": "BRL",
    "reais": "BRL",
    "real": "BRL",
    "€": "EUR",
    "euro": "EUR",
    "euros": "EUR",
    "£": "GBP",
    "₲": "PYG",
    "gs": "PYG",
    "guaranies": "PYG",
    "guaraníes": "PYG",
    "lei": "MDL",
    "leu": "MDL",
    "₴": "UAH",
    "грн": "UAH",
    "dram": "AMD",
    "драм": "AMD",
    "դրամ": "AMD",
    "₽": "RUB",
    "руб": "RUB",
    "rur": "RUB",
    "us$": "USD",
    "u$s": "USD",
    "dolares": "USD",
    "dólares": "USD",
    "uf": "CLF",
    "₦": "NGN",
    "₹": "INR",
    "₱": "PHP",
    "s/": "PEN",
    "mxp": "MXN",
    "lempiras": "HNL",
    "quetzales": "GTQ",
}
"""Casefolded signs and names that mean one currency. "$" and "peso" mean several and are not here."""

_LANGUAGE_CODES = """
    aa ab af am ar as ay az ba be bg bn bo br bs ca cs cy da de dv dz el en eo es et eu fa fi fo fr fy ga gd gl gn gu ha he hi hr
    ht hu hy id is it ja ka kk kl km kn ko ku ky la lb ln lo lt lv mg mi mk ml mn mr ms mt my nb ne nl nn no ny oc or pa pl ps pt
    qu rm ro ru rw sa sd si sk sl sm so sq sr st su sv sw ta te tg th ti tk tl tn tr ts tt uk ur uz vi wo xh yi yo zh zu
"""
_LANGUAGES = frozenset(_LANGUAGE_CODES.split())
_LANGUAGE_WORDS = {"md": "ro", "mo": "ro", "ua": "uk", "gr": "el", "jp": "ja", "cz": "cs", "spa": "es", "eng": "en"} | {
    "fra": "fr", "fre": "fr", "por": "pt", "rus": "ru", "ukr": "uk", "ron": "ro", "rum": "ro", "hye": "hy", "arm": "hy"
} | {"spanish": "es", "español": "es", "english": "en", "français": "fr", "português": "pt", "castellano": "es"}  # fmt: skip


def language(text: str) -> str | None:
    """The ISO 639-1 code in lower case, from a code, also with a region ("es-PY"), or from a country code ("md")."""
    word = re.split(r"[-_]", text.strip().casefold(), maxsplit=1)[0]
    return word if word in _LANGUAGES else _LANGUAGE_WORDS.get(word)


MONTHS = {
    month: number
    for number, months in enumerate(
        (
            "january jan enero ene janeiro janvier ianuarie январь января",
            "february feb febrero fevereiro fev février februarie февраль февраля",
            "march mar marzo março mars martie март марта",
            "april apr abril abr avril aprilie апрель апреля",
            "may mayo maio mai май мая",
            "june jun junio junho juin iunie июнь июня",
            "july jul julio julho juillet iulie июль июля",
            "august aug agosto ago août август августа",
            "september sep sept septiembre setiembre setembro septembre septembrie сентябрь сентября",
            "october oct octubre outubro out octobre octombrie октябрь октября",
            "november nov noviembre novembro novembre noiembrie ноябрь ноября",
            "december dec diciembre dic dezembro dez décembre decembrie декабрь декабря",
        ),
        start=1,
    )
    for month in months.split()
}
