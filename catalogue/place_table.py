"""Names and codes of regions and countries that the data packages do not have."""

from __future__ import annotations

# GeoNames admin1 code → ISO 3166-2 suffix, in pairs.
ISO_OF_ADMIN1: dict[str, str] = {
    "AM": "01 AG 02 AR 03 AV 04 GR 05 KT 06 LO 07 SH 08 SU 09 TV 10 VD 11 ER",
    "AR": "01 B 02 K 03 H 04 U 05 X 06 W 07 C 08 E 09 P 10 Y 11 L 12 F 13 M 14 N 15 Q 16 R 17 A 18 J 19 D 20 Z 21 S 22 G "
    "23 V 24 T",
    "BR": "01 AC 02 AL 03 AP 04 AM 05 BA 06 CE 07 DF 08 ES 11 MS 13 MA 14 MT 15 MG 16 PA 17 PB 18 PR 20 PI 21 RJ 22 RN "
    "23 RS 24 RO 25 RR 26 SC 27 SP 28 SE 29 GO 30 PE 31 TO",
    "CA": "01 AB 02 BC 03 MB 04 NB 05 NL 07 NS 08 ON 09 PE 10 QC 11 SK 12 YT 13 NT 14 NU",
    "CL": "01 VS 02 AI 03 AN 04 AR 05 AT 06 BI 07 CO 08 LI 10 MA 11 ML 12 RM 14 LL 15 TA 16 AP 17 LR 18 NB",
    "CO": "01 AMA 02 ANT 03 ARA 04 ATL 08 CAQ 09 CAU 10 CES 11 CHO 12 COR 14 GUV 15 GUA 16 HUI 17 LAG 19 MET 20 NAR 21 NSA "
    "22 PUT 23 QUI 24 RIS 25 SAP 26 SAN 27 SUC 28 TOL 29 VAC 30 VAU 31 VID 32 CAS 33 CUN 34 DC 35 BOL 36 BOY 37 CAL 38 MAG",
    "MD": "57 CU 58 SN 60 BA",
    "PH": "01 01 02 02 03 03 05 05 06 06 07 07 08 08 09 09 10 10 11 11 12 12 13 13 14 14 15 15 40 40 41 41 NCR 00",
    "PY": "01 10 02 13 04 5 05 6 06 11 07 1 08 3 10 4 11 7 12 8 13 12 15 9 16 15 17 2 19 14 22 ASU 23 16 24 19",
    "ES": "07 IB 27 RI 29 MD 31 MC 32 NC 34 AS 39 CB 51 AN 52 AR 53 CN 54 CM 55 CL 56 CT 57 EX 58 GA 59 PV 60 VC CE CE "
    "ML ML",
    "RU": "01 AD 03 AL 04 ALT 05 AMU 06 ARK 07 AST 08 BA 09 BEL 10 BRY 11 BU 12 CE 13 CHE 15 CHU 16 CU 17 DA 19 IN 20 IRK "
    "21 IVA 22 KB 23 KGD 24 KL 25 KLU 27 KC 28 KR 29 KEM 30 KHA 31 KK 32 KHM 33 KIR 34 KO 37 KOS 38 KDA 40 KGN 41 KRS "
    "42 LEN 43 LIP 44 MAG 45 ME 46 MO 47 MOS 48 MOW 49 MUR 50 NEN 51 NIZ 52 NGR 53 NVS 54 OMS 55 ORE 56 ORL 57 PNZ 59 PRI "
    "60 PSK 61 ROS 62 RYA 63 SA 64 SAK 65 SAM 66 SPE 67 SAR 68 SE 69 SMO 70 STA 71 SVE 72 TAM 73 TA 75 TOM 76 TUL 77 TVE "
    "78 TYU 79 TY 80 UD 81 ULY 83 VLA 84 VGG 85 VLG 86 VOR 87 YAN 88 YAR 89 YEV 90 PER 91 KYA 92 KAM 93 ZAB",
    "UA": "01 71 02 74 03 77 04 12 05 14 06 26 07 63 08 65 09 68 10 35 11 43 12 30 13 32 14 09 15 46 16 48 17 51 18 53 "
    "19 56 20 40 21 59 22 61 23 05 24 07 25 21 26 23 27 18",
}

# Names in use that ISO 3166-2 does not list.
REGION_ALIASES: dict[str, str] = {
    "bogota d c": "CO-DC",
    "bogota": "CO-DC",
    "moscow": "RU-MOW",
    "москва": "RU-MOW",
    "saint petersburg": "RU-SPE",
    "санкт петербург": "RU-SPE",
    "yerevan": "AM-ER",
    "երևան": "AM-ER",
    "chisinau": "MD-CU",
    "quebec": "CA-QC",
    "caba": "AR-C",
    "metropolitana": "CL-RM",
    "asuncion distrito": "PY-ASU",
    "metro manila": "PH-00",
    "ncr": "PH-00",
}

# Names of countries in use that pycountry does not have.
COUNTRY_ALIASES: dict[str, str] = {
    "brasil": "BR",
    "espana": "ES",
    "mexico": "MX",
    "russia": "RU",
    "россия": "RU",
    "российская федерация": "RU",
    "украина": "UA",
    "україна": "UA",
    "հայաստան": "AM",
}
