"""UNECE Recommendation 20 (with the Rec 21 package codes, prefixed X): code, name, exact factor to the base unit.

It has only units that occur in purchasing. Units convert within one dimension, and a dimension holds only units that
convert exactly and without an assumption: an hour is not a part of a working day here, and a day is not a part of a
month.
"""

from __future__ import annotations

from fractions import Fraction

_Row = tuple[str, str, Fraction]

BASES: dict[str, str] = {
    "count": "C62",
    "mass": "KGM",
    "volume": "LTR",
    "length": "MTR",
    "area": "MTK",
    "hours": "HUR",
    "days": "DAY",
    "months": "MON",
    "energy": "KWH",
    "power": "KWT",
    "apparent power": "KVA",
    "frequency": "HTZ",
    "pressure": "BAR",
    "data": "AD",
}


def _rows(text: str) -> tuple[_Row, ...]:
    """Read lines "code factor name"; the factor is a decimal or a fraction."""
    rows = (line.split(maxsplit=2) for line in text.strip().splitlines())
    return tuple((code, name, Fraction(factor)) for code, factor, name in rows)


TABLE: dict[str, tuple[_Row, ...]] = {
    "count": _rows("""
        C62 1 one
        H87 1 piece
        EA 1 each
        NAR 1 number of articles
        U2 1 tablet
        AV 1 capsule
        LEF 1 leaf
        PR 2 pair
        NPR 2 number of pairs
        DZN 12 dozen
        DZP 24 dozen pair
        SCO 20 score
        CEN 100 hundred
        GRO 144 gross
        MIL 1000 thousand
        MIO 1000000 million
    """),
    "mass": _rows("""
        KGM 1 kilogram
        GRM 0.001 gram
        MGM 0.000001 milligram
        MC 0.000000001 microgram
        CGM 0.00001 centigram
        DG 0.0001 decigram
        DJ 0.01 decagram
        HGM 0.1 hectogram
        DTN 100 decitonne
        TNE 1000 tonne
        CTM 0.0002 metric carat
        GRN 0.00006479891 grain
        LBR 0.45359237 pound
        ONZ 0.028349523125 ounce
        APZ 0.0311034768 troy ounce
        STI 6.35029318 stone
        CWA 45.359237 hundredweight (US)
        CWI 50.80234544 hundredweight (UK)
        STN 907.18474 ton (US)
        LTN 1016.0469088 ton (UK)
    """),
    "volume": _rows("""
        LTR 1 litre
        MLT 0.001 millilitre
        4G 0.000001 microlitre
        CLT 0.01 centilitre
        DLT 0.1 decilitre
        A44 10 decalitre
        HLT 100 hectolitre
        K6 1000 kilolitre
        MAL 1000000 megalitre
        MTQ 1000 cubic metre
        DMQ 1 cubic decimetre
        CMQ 0.001 cubic centimetre
        MMQ 0.000001 cubic millimetre
        INQ 0.016387064 cubic inch
        FTQ 28.316846592 cubic foot
        YDQ 764.554857984 cubic yard
        GLL 3.785411784 gallon (US)
        GLI 4.54609 gallon (UK)
        QTL 0.946352946 liquid quart (US)
        QTI 1.1365225 quart (UK)
        PTL 0.473176473 liquid pint (US)
        PTI 0.56826125 pint (UK)
        OZA 0.0295735295625 fluid ounce (US)
        OZI 0.0284130625 fluid ounce (UK)
        BLL 158.987294928 barrel (US petroleum)
    """),
    "length": _rows("""
        MTR 1 metre
        LM 1 linear metre
        DMT 0.1 decimetre
        CMT 0.01 centimetre
        MMT 0.001 millimetre
        4H 0.000001 micrometre
        KMT 1000 kilometre
        INH 0.0254 inch
        FOT 0.3048 foot
        YRD 0.9144 yard
        SMI 1609.344 mile
        NMI 1852 nautical mile
    """),
    "area": _rows("""
        MTK 1 square metre
        DMK 0.01 square decimetre
        CMK 0.0001 square centimetre
        MMK 0.000001 square millimetre
        KMK 1000000 square kilometre
        ARE 100 are
        DAA 1000 decare
        HAR 10000 hectare
        INK 0.00064516 square inch
        FTK 0.09290304 square foot
        YDK 0.83612736 square yard
        ACR 4046.8564224 acre
        MIK 2589988.110336 square mile
    """),
    "hours": _rows("""
        HUR 1 hour
        MIN 1/60 minute
        SEC 1/3600 second
    """),
    "days": _rows("""
        DAY 1 day
        WEE 7 week
    """),
    "months": _rows("""
        MON 1 month
        QAN 3 quarter (of a year)
        SAN 6 half year (6 months)
        ANN 12 year
    """),
    "energy": _rows("""
        KWH 1 kilowatt hour
        WHR 0.001 watt hour
        MWH 1000 megawatt hour
        GWH 1000000 gigawatt hour
        JOU 1/3600000 joule
        KJO 1/3600 kilojoule
        3B 5/18 megajoule
        GV 2500/9 gigajoule
    """),
    "power": _rows("""
        KWT 1 kilowatt
        WTT 0.001 watt
        MAW 1000 megawatt
    """),
    "apparent power": _rows("""
        KVA 1 kilovolt - ampere
        D46 0.001 volt - ampere
    """),
    "frequency": _rows("""
        HTZ 1 hertz
        KHZ 1000 kilohertz
        MHZ 1000000 megahertz
        A86 1000000000 gigahertz
    """),
    "pressure": _rows("""
        BAR 1 bar
        MBR 0.001 millibar
        PAL 0.00001 pascal
        KPA 0.01 kilopascal
        MPA 10 megapascal
    """),
    "data": _rows("""
        AD 1 byte
        2P 1000 kilobyte
        4L 1000000 megabyte
        E34 1000000000 gigabyte
        E35 1000000000000 terabyte
    """),
    # Dimensions with one unit: no other unit converts into it, and prices are compared only within it.
    "voltage": _rows("VLT 1 volt"),
    "current": _rows("AMP 1 ampere"),
    "charge": _rows("AMH 1 ampere hour"),
    "light": _rows("LUM 1 lumen"),
    "illuminance": _rows("LUX 1 lux"),
    "temperature": _rows("CEL 1 degree Celsius"),
    "grammage": _rows("GM 1 gram per square metre"),
    "concentration": _rows("GL 1 gram per litre"),
    "speed": _rows("KMH 1 kilometre per hour"),
    "ratio": _rows("P1 1 percent"),
    "sound": _rows("2N 1 decibel"),
    "potency": _rows("NIU 1 number of international units"),
    "doses": _rows("E27 1 dose"),
    "tests": _rows("E53 1 test"),
    "people": _rows("IE 1 person"),
    "trips": _rows("E54 1 trip"),
    "jobs": _rows("E51 1 job"),
    "service units": _rows("E48 1 service unit"),
    "working days": _rows("E49 1 working day"),
    "freight": _rows("TKM 1 tonne kilometre"),
    "sets": _rows("SET 1 set"),
    "kits": _rows("KT 1 kit"),
    "assemblies": _rows("AY 1 assembly"),
    "lump sum": _rows("""
        LS 1 lump sum
        LO 1 lot (unit of procurement)
    """),
    "package": _rows("""
        XAE 1 aerosol
        XAM 1 ampoule
        XBA 1 barrel
        XBG 1 bag
        XBJ 1 bucket
        XBE 1 bundle
        XBK 1 basket
        XBL 1 bale
        XBO 1 bottle
        XBX 1 box
        XCA 1 can
        XCQ 1 cartridge
        XCR 1 crate
        XCS 1 case
        XCT 1 carton
        XCY 1 cylinder
        XDR 1 drum
        XEN 1 envelope
        XFL 1 flask
        XJC 1 jerrican
        XJR 1 jar
        XPA 1 packet
        XPK 1 package
        XPO 1 pouch
        XPT 1 pot
        XPX 1 pallet
        XRL 1 reel
        XRO 1 roll
        XSA 1 sack
        XSH 1 sachet
        XSO 1 spool
        XST 1 sheet
        XTB 1 tub
        XTN 1 tin
        XTU 1 tube
        XVI 1 vial
        RM 1 ream
    """),
}
