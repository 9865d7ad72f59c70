{% macro two_sided_p(z) -%}
    {#- Two-sided p of a standard normal deviate, to full double precision. Source: Hart, Computer
        Approximations, 1968, as given by West, Better Approximations to Cumulative Normal Functions, Wilmott 2005. -#}
    {%- set x = 'abs(cast(' ~ z ~ ' as double))' -%}
    {%- set upper = [3.52624965998911e-02, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871, 221.213596169931, 220.206867912376] -%}
    {%- set lower = [8.83883476483184e-02, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674, 637.333633378831, 793.826512519948, 440.413735824752] -%}
    case
        when {{ x }} < 7.07106781186547
            then 2 * exp(-{{ x }} * {{ x }} / 2) * {{ polynomial(upper, x) }} / {{ polynomial(lower, x) }}
        when {{ x }} < 37
            then 2 * exp(-{{ x }} * {{ x }} / 2) / 2.506628274631
                / ({{ x }} + 1 / ({{ x }} + 2 / ({{ x }} + 3 / ({{ x }} + 4 / ({{ x }} + 0.65)))))
        when {{ x }} is not null then 0e0
    end
{%- endmacro %}


{% macro polynomial(coefficients, x) -%}
    {#- Horner's scheme, the highest power first. -#}
    {%- set scheme = namespace(sql=coefficients[0] | string) -%}
    {%- for coefficient in coefficients[1:] -%}
        {%- set scheme.sql = '(' ~ scheme.sql ~ ' * ' ~ x ~ ' + ' ~ coefficient ~ ')' -%}
    {%- endfor -%}
    {{ scheme.sql }}
{%- endmacro %}
